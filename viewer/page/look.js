// Colours, classes, and what of the map is shown.
import { button, checkbox, element, heading, percent, slider } from "./elements.js";

export const MODES = [["image", "As the camera saw it"], ["class", "By class"],
  ["confidence", "Probability of the label"], ["entropy", "How undecided the classes are"],
  ["height", "Height over the floor"], ["depth uncertainty", "Standard deviation of depth"],
  ["keyframe", "The keyframe that knows the depth best"],
  ["error", "How far depth is from the truth, where that is known; grey elsewhere"]];
const SCALES = { 2: ["0", "1"], 3: ["sure", "undecided"], 5: ["2 mm", "2 m"],
  7: ["2 mm", "2 m"] };
// Colours that stay apart for the colour-blind: Okabe and Ito 2008, and paler ones of the same hues.
const SAFE = [[0, 114, 178], [230, 159, 0], [240, 240, 240], [204, 121, 167], [0, 158, 115],
  [213, 94, 0], [86, 180, 233], [240, 228, 66], [120, 66, 140], [153, 79, 0], [20, 60, 75],
  [150, 160, 170], [170, 220, 240]];

export class LookPanel {
  constructor(app) {
    this.app = app;
    this.statistics = [];
    this.box = document.getElementById("tab-look");
    const s = app.settings;
    this.mode = element("select", { ariaLabel: "Colour by", title: "What colours mean (M: next)",
      onchange: () => app.setSetting("mode", this.mode.selectedIndex) },
    ...MODES.map(([name, title]) => element("option", { textContent: name, title })));
    this.mode.selectedIndex = s.mode;
    this.scale = element("div");
    this.size = slider("Point size", "Least size of a point in pixels ([ and ])",
      { min: 1, max: 12, step: 0.5, value: s.pointSize, format: (v) => `${v} px` },
      (v) => app.setSetting("pointSize", v));
    this.confidence = slider("Confidence ≥", "Hide points whose label is less probable",
      { min: 0, max: 1, step: 0.01, value: s.minConfidence, format: (v) => v.toFixed(2) },
      (v) => app.setSetting("minConfidence", v));
    this.ceiling = slider("Ceiling cut", "Hide everything higher than this over the floor",
      { min: 0, max: 4, step: 0.05, value: 4, format: (v) => app.settings.ceiling === null
        ? "off" : `${(+v).toFixed(2)} m` }, (v) => this.setCeiling(v >= +this.ceilingMax ? null : v));
    this.ceilingMax = 4;
    const background = element("select", { ariaLabel: "Background", title: "Behind the map",
      onchange: () => app.setSetting("background", background.value) },
    ...["dark", "light", "black", "white"].map((name) => element("option",
      { textContent: name, selected: name === s.background })));
    this.background = background;
    const check = (name, label, title) => (this[`box_${name}`] = checkbox(label, title, s[name],
      (on) => app.setSetting(name, on)));
    this.legend = element("div", { id: "legend" });
    this.clip = this.clipBox();
    this.box.append(
      heading("Colour"),
      element("label", { className: "row two" }, element("span", { textContent: "Colour by" }),
        this.mode), this.scale,
      heading("Classes"), this.legend,
      element("div", { className: "buttons" },
        button("Show all", "Show every class (H)", () => this.showAll()),
        button("Safe colours", "Colours that the colour-blind can tell apart, and back",
          () => this.safeColours())),
      heading("Show"), this.confidence, this.size,
      element("div", { className: "checks" },
        check("points", "Map", "The fused points"),
        check("surface", "Surface", "Triangles in place of points (U)"),
        check("fill", "Closed", "Points grow until they meet: no gaps nearby"),
        check("shading", "Shading", "Darken depth edges (X)"),
        check("path", "Path", "Where the camera went (L)"),
        check("keyframes", "Keyframes", "Cameras of the keyframes (K)"),
        check("loops", "Loops", "Loops that were closed")),
      heading("Cut"), this.ceiling, this.clip,
      heading("Page"),
      element("label", { className: "row two" }, element("span", { textContent: "Background" }),
        background),
      element("div", { className: "buttons" },
        button("Save image", "The map as it is seen now, as PNG (I)", () => app.saveImage())),
      this.numbers = element("p", { className: "faint small", id: "drawn" }));
    app.on("hello", () => this.fillLegend());
    app.on("palette", () => this.fillLegend());
    app.on("statistics", (numbers) => { this.statistics = numbers; this.fillLegend(); });
    app.on("setting", (name, value) => this.follow(name, value));
    app.on("scene", () => this.showScale());
    app.on("frame", () => this.showNumbers());
    app.on("status", () => this.showNumbers());
    this.showScale();
  }

  fillLegend() {
    const { app } = this;
    // a colour that is being chosen must not lose its window
    if (this.legend.contains(document.activeElement)
      && document.activeElement.type === "color") { this.recolour(); return; }
    this.legend.replaceChildren(...app.classes.map((one) => this.entry(one)));
  }

  recolour() {
    for (const input of this.legend.querySelectorAll("input[type=color]"))
      input.value = hex(this.app.colourOf(+input.dataset.id));
  }

  entry({ id, name }) {
    const { app } = this, [points, share, area] = this.statistics[id] ?? [0, 0, 0];
    const colour = element("input", { type: "color", value: hex(app.colourOf(id)),
      title: `Another colour for ${name}`, ariaLabel: `Colour of ${name}`, "data-id": id,
      disabled: !app.hello.may_change,
      onclick: (event) => event.stopPropagation(),
      onchange: () => app.ask("set_colour", { class: name, colour: numbers(colour.value) }) });
    const row = element("div", { className: `class${app.hidden.has(id) ? " off" : ""}`,
      role: "switch", tabIndex: 0, ariaChecked: `${!app.hidden.has(id)}`, "data-class": name,
      title: `${points.toLocaleString("en")} points, ${percent(share)} of the map, about `
        + `${area.toFixed(2)} m². Click: hide or show; “only”: isolate`,
      onclick: () => this.toggle(id),
      onkeydown: (event) => { if (event.key === "Enter") this.toggle(id); },
      onmouseenter: () => { app.highlight = app.hidden.has(id) ? -1 : id; app.redraw(); },
      onmouseleave: () => { app.highlight = -1; app.redraw(); } },
    colour, element("span", { className: "name", textContent: name }),
    element("span", { className: "number share", textContent: points ? percent(share) : "–" }),
    element("span", { className: "number", textContent: points ? `${area.toFixed(area < 9.95
      ? 1 : 0)} m²` : "" }),
    button("◎", `Only ${name}`, (event) => { event.stopPropagation(); this.isolate(id); },
      { className: "only", ariaLabel: `Only ${name}` }));
    return row;
  }

  toggle(id) {
    const { hidden } = this.app;
    if (!hidden.delete(id)) hidden.add(id);
    this.app.highlight = -1;
    this.app.updatePalette();
  }

  isolate(id) {
    const { app } = this, others = app.classes.map((c) => c.id).filter((n) => n !== id);
    const alone = others.every((n) => app.hidden.has(n)) && !app.hidden.has(id);
    app.hidden.clear();
    if (!alone) others.forEach((n) => app.hidden.add(n));
    app.highlight = -1;
    app.updatePalette();
  }

  showAll() {
    this.app.hidden.clear();
    this.app.updatePalette();
  }

  async safeColours() {
    const { app } = this, back = Object.keys(app.colours).length > 0;
    for (const { id, name } of app.classes)
      await app.ask("set_colour", { class: name, colour: back ? null : SAFE[id % SAFE.length] });
  }

  nextMode() {
    this.app.setSetting("mode", (this.app.settings.mode + 1) % MODES.length);
  }

  changeSize(by) {
    this.app.setSetting("pointSize", Math.min(12, Math.max(1, this.app.settings.pointSize + by)));
  }

  setCeiling(height) {
    this.app.settings.ceiling = height;
    this.ceiling.set(height ?? this.ceilingMax);
    this.app.stir();
  }

  follow(name, value) {
    if (name === "mode") { this.mode.selectedIndex = value; this.showScale(); }
    if (name === "pointSize") this.size.set(value);
    if (name === "background") this.background.value = value;
    this[`box_${name}`]?.set(value);
  }

  showScale() {
    const { app } = this, { mode } = app.settings, { low, high } = app.box;
    if (app.scene) {
      this.ceilingMax = Math.max(0.5, high[2] + 0.05);
      this.ceiling.limits(Math.min(0, low[2]), this.ceilingMax);
      this.ceiling.set(app.settings.ceiling ?? this.ceilingMax);
    }
    const ends = mode === 4 ? [`${low[2].toFixed(1)} m`, `${high[2].toFixed(1)} m`] : SCALES[mode];
    this.scale.replaceChildren();
    if (!ends || !app.ramp.length) return;
    const stops = [0, 0.25, 0.5, 0.75, 1].map((x) => `rgb(${app.ramp[Math.round(255 * x)]})`);
    this.scale.append(element("div", { className: "scale",
      style: `background: linear-gradient(90deg, ${stops.join(",")})` }),
    element("div", { className: "scale-ends" }, ...ends.map((text) => element("span",
      { textContent: text }))));
  }

  showNumbers() {
    const { renderer, connection } = this.app;
    this.numbers.textContent = `${Math.round(renderer.drawn).toLocaleString("en")} of `
      + `${renderer.loaded.toLocaleString("en")} points drawn · ${(connection.bytes / 1e6)
        .toFixed(1)} MB received`;
  }

  clipBox() {
    const { app } = this, names = ["X", "Y", "Z"];
    const change = (which, n) => (value) => {
      const clip = app.settings.clip ?? { low: [0, 0, 0], high: [1, 1, 1] };
      clip[which][n] = value;
      app.settings.clip = clip;
      app.stir();
    };
    const rows = names.flatMap((name, n) => ["low", "high"].map((which) => slider(
      `${name} ${which === "low" ? "from" : "to"}`, "A side of the clipping box",
      { min: 0, max: 1, step: 0.01, value: which === "low" ? 0 : 1, format: (v) => percent(+v) },
      change(which, n))));
    return element("details", { className: "small" }, element("summary",
      { textContent: "Clipping box", title: "Show a box of the map only" }), ...rows,
    button("No box", "Show the whole map", () => {
      app.settings.clip = null;
      rows.forEach((row, n) => row.set(n % 2));
      app.stir();
    }));
  }
}

const hex = (colour) => `#${colour.map((c) => c.toString(16).padStart(2, "0")).join("")}`;
const numbers = (text) => [1, 3, 5].map((n) => parseInt(text.slice(n, n + 2), 16));
