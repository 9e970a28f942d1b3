// Search for objects, and measuring.
import { button, element, heading, metres, swatch, toast } from "./elements.js";
import { add } from "./maths.js";

const BOX_COLOUR = [1, 0.85, 0.25], LINE_COLOUR = [1, 0.85, 0.25];
const TOOLS = [["distance", "Click points along a line; Enter or the button again ends it"],
  ["height", "Click one point for its height over the floor, two for the difference"],
  ["area", "Click the corners of a polygon"],
  ["box", "Click an object: the box around all of it that hangs together"]];

export function boxEdges({ centre, size, yaw }, colour = BOX_COLOUR) {
  const c = Math.cos(yaw), s = Math.sin(yaw), half = size.map((v) => v / 2);
  const corner = (n) => {
    const x = (n & 1 ? 1 : -1) * half[0], y = (n & 2 ? 1 : -1) * half[1],
      z = (n & 4 ? 1 : -1) * half[2];
    return add(centre, [c * x - s * y, s * x + c * y, z]);
  };
  const lines = [];
  for (let n = 0; n < 8; n++)
    for (const bit of [1, 2, 4]) if (!(n & bit)) lines.push(...corner(n), ...corner(n | bit),
      ...colour);
  return lines;
}

const inUnit = (m) => m.unit === "m" ? metres(m.value)
  : `${m.value.toFixed(m.value < 1 ? 3 : 2)} ${m.unit === "m2" ? "m²" : "m³"}`;
const sizes = (size) => size.map((v) => v.toFixed(2)).join(" × ") + " m";

export class FindPanel {
  constructor(app) {
    this.app = app;
    this.points = [];
    this.input = element("input", { type: "search", placeholder: "chairs, table, tv …",
      ariaLabel: "Search", title: "Find the objects of a class (/)" });
    this.found = element("div", { className: "list", id: "objects" });
    this.tools = element("div", { className: "buttons", id: "measure-tools" }, ...TOOLS.map(
      ([kind, title]) => button(kind, title, () => this.start(kind), { "data-kind": kind })));
    this.reading = element("div", { className: "big", id: "reading" });
    this.measures = element("div", { className: "list", id: "measures" });
    const form = element("form", { onsubmit: (event) => { event.preventDefault(); this.search(); } },
      this.input);
    document.getElementById("tab-find").append(heading("Find objects"), form, this.found,
      heading("Measure"), this.tools, this.reading, heading("Saved with the map"), this.measures);
    app.on("annotations", (annotations) => this.list(annotations));
    app.on("tool", (tool) => {
      for (const one of this.tools.children)
        one.setAttribute("aria-pressed", tool?.kind === one.dataset.kind);
    });
    window.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && app.tool?.kind && this.points.length
        && !/INPUT|BUTTON/.test(event.target.tagName)) this.finish();
    });
  }

  focus() { this.input.focus(); }

  clear() {
    this.points = [];
    this.app.highlight = -1;
    this.reading.textContent = "";
    this.app.renderer.setLines("measure", null);
    this.app.renderer.setLines("object", null);
    this.app.setFlags([]);
  }

  async search() {
    const { app } = this;
    if (!this.input.value.trim()) return;
    const answer = await app.ask("search", { text: this.input.value,
      min_confidence: app.settings.minConfidence });
    if (!answer) return;
    if (!answer.objects.length) toast("There is none of these in the map.");
    this.found.replaceChildren(...answer.objects.map((one) => element("div",
      { title: "Fly there", onclick: () => this.visit(one), "data-object": one.number },
      swatch(app.colourOf(one.label)),
      element("span", { className: "grow", textContent: `${one.class} ${one.number}` }),
      element("span", { className: "faint", textContent: sizes(one.size) }))));
    if (answer.objects.length) this.visit(answer.objects[0]);
  }

  visit(one) {
    const { app } = this;
    this.showBox(one);
    app.highlight = one.label;
    app.flyToBox(one.centre, one.size);
  }

  showBox(one) {
    const top = add(one.centre, [0, 0, one.size[2] / 2]);
    this.app.renderer.setLines("object", boxEdges(one), 2.5, true);
    this.app.setFlags([[top, `${one.class} ${one.number} · ${sizes(one.size)}`]]);
  }

  start(kind) {
    const { app } = this;
    if (app.tool?.kind === kind) {
      if (this.points.length) this.finish();
      app.setTool(null);
      return;
    }
    this.clear();
    app.setTool({ kind, onScene: (ray) => this.click(kind, ray) });
    toast(TOOLS.find(([name]) => name === kind)[1]);
  }

  async click(kind, ray) {
    const { app } = this;
    if (kind === "box") {
      const one = await app.ask("box", ray);
      if (!one) return;
      this.showBox(one);
      this.reading.textContent = `${one.class}: ${sizes(one.size)}`;
      this.save(kind, `${one.class} ${one.number}: ${sizes(one.size)}`,
        [one.centre, one.size, [one.yaw, 0, 0]], one.volume);
      return;
    }
    const found = await app.ask("pick", ray);
    if (!found?.hit) { toast("Nothing there. Click on the map."); return; }
    this.points.push(found.ground);
    await this.show(kind);
    if ((kind === "distance" || kind === "height") && this.points.length === 2) this.finish();
  }

  async show(kind) {
    const { app, points } = this, lines = [];
    for (let n = 1; n < points.length; n++) lines.push(...points[n - 1], ...points[n],
      ...LINE_COLOUR);
    if (kind === "area" && points.length > 2) lines.push(...points.at(-1), ...points[0],
      ...LINE_COLOUR);
    for (const p of points) lines.push(...p, ...add(p, [0, 0, 0.03]), ...LINE_COLOUR);
    app.renderer.setLines("measure", lines, 3, true);
    const least = { distance: 2, height: 1, area: 3 }[kind];
    if (points.length >= least) {
      const value = await app.ask("measure", { kind, points });
      this.value = value;
      if (value) {
        this.reading.textContent = `${kind}: ${inUnit(value)}`;
        app.setFlags([[points.at(-1), inUnit(value)]]);
      }
    }
    app.redraw();
  }

  finish() {
    const { app, points } = this, kind = app.tool?.kind;
    const least = { distance: 2, height: 1, area: 3 }[kind];
    if (points.length >= least) this.save(kind, "", points);
    this.points = [];
  }

  async save(kind, name, points, value) {
    if (this.app.hello.may_change)
      await this.app.ask("save_measure", { kind, name, points, value });
  }

  list({ measures }) {
    const { app } = this;
    this.measures.replaceChildren(...measures.map((m) => element("div", { "data-measure": m.number },
      element("input", { type: "text", value: m.name, className: "grow", title: "Its name",
        ariaLabel: `Name of measure ${m.number}`, disabled: !app.hello.may_change,
        onchange: (event) => app.ask("rename_measure", { number: m.number,
          name: event.target.value }) }),
      element("span", { className: "faint", textContent: inUnit(m) }),
      button("◎", "Show it", () => this.recall(m)),
      button("✕", "Remove it", () => app.ask("remove_measure", { number: m.number }),
        { disabled: !app.hello.may_change }))));
    if (!measures.length) this.measures.append(element("p", { className: "faint small",
      textContent: "Nothing measured yet." }));
  }

  recall(m) {
    const { app } = this;
    this.clear();
    if (m.kind === "box") {
      const [centre, size, [yaw]] = m.points;
      app.renderer.setLines("object", boxEdges({ centre, size, yaw }), 2.5, true);
      app.setFlags([[add(centre, [0, 0, size[2] / 2]), m.name]]);
      app.flyToBox(centre, size);
      return;
    }
    this.points = m.points.map((p) => [...p]);
    this.show(m.kind).then(() => { this.points = []; });
    app.flyToBox(m.points[0], [1, 1, 1]);
  }
}
