// Correcting labels: a region and its class, and the list of corrections.
import { button, checkbox, element, heading, slider, swatch, toast } from "./elements.js";

const SHAPES = [["surface", "The part of the surface around the pixel that looks alike"],
  ["brush", "A disc around the pixel"],
  ["outline", "Draw around it on a picture of the keyframe"]];

export class CorrectPanel {
  constructor(app) {
    this.app = app;
    this.shape = "surface";
    this.radius = 8;
    this.box = document.getElementById("tab-correct");
    this.list = element("div", { className: "list", id: "corrections" });
    this.class = element("select", { ariaLabel: "Class", title: "What it is" });
    this.state = element("p", { className: "faint small", id: "correct-state" });
    app.on("hello", (hello) => this.build(hello));
    app.on("corrections", (corrections) => this.fill(corrections));
    app.on("tool", (tool) => this.start?.setAttribute("aria-pressed", tool?.name === "correct"));
    app.on("opened", () => { this.pending = null; });
  }

  build({ can_correct: can, may_change: may, classes }) {
    const { app } = this;
    if (!can || !may) {
      this.box.replaceChildren(element("p", { className: "faint", textContent: can
        ? "This page may look only."
        : "Labels of this map cannot be corrected here." }));
      return;
    }
    this.class.replaceChildren(...classes.map((c) => element("option", { textContent: c.name })));
    this.start = button("Correct", "Then click the map, or a picture of a keyframe", () =>
      app.setTool(app.tool?.name === "correct" ? null : { name: "correct",
        onScene: (ray) => this.onScene(ray), onPixel: (k, place) => this.at(k, place) }));
    const shapes = SHAPES.map(([name, title]) => button(name, title, () => {
      this.shape = name;
      shapes.forEach((one) => one.setAttribute("aria-pressed", one.textContent === name));
      this.size.hidden = name !== "brush";
    }, { ariaPressed: `${name === this.shape}` }));
    this.size = slider("Radius", "Of the disc, in pixels of the keyframe", { min: 2, max: 40,
      step: 1, value: this.radius, format: (v) => `${v} px` }, (v) => { this.radius = v; });
    this.size.hidden = true;
    this.override = checkbox("These pixels only", "Override the pixels themselves, without "
      + "evidence on codes: for what the codes cannot express", false, (on) => {
      this.kind = on ? "override" : "code";
    });
    this.box.replaceChildren(
      element("p", { className: "small", textContent: "Choose the class, press Correct, click "
        + "what is labelled wrongly. It becomes evidence on the semantic codes and spreads to "
        + "every keyframe that sees it." }),
      heading("Class"), this.class, heading("Region"),
      element("div", { className: "buttons", id: "shapes" }, ...shapes), this.size, this.override,
      element("div", { className: "buttons" }, this.start,
        button("Undo", "The last correction (Z)", () => this.undo()),
        button("Redo", "What was undone last (Y)", () => this.redo())), this.state,
      heading("Corrections"), this.list);
    this.fill(this.corrections ?? []);
  }

  get discRadius() { return this.shape === "brush" ? this.radius : null; }

  // A click on the map means the pixel of the nearest keyframe that sees the point.
  async onScene(ray) {
    const { app } = this, found = await app.ask("pick", ray);
    if (!found?.hit) { toast("Nothing there. Click on the map."); return; }
    const seen = found.observations[0];
    if (!seen) { toast("No keyframe sees this point. Click another one."); return; }
    if (this.shape === "outline") {
      toast("Draw the outline on a picture of the keyframe.");
      await app.drawer.open(seen.frame_index, [seen.u, seen.v]);
      return;
    }
    await app.drawer.open(seen.frame_index, [seen.u, seen.v]);
    await this.at(app.drawer.current, [seen.u, seen.v]);
  }

  async at(keyframe, place) {
    const { app } = this, values = { frame_index: keyframe.index, at: place,
      radius: Array.isArray(place[0]) ? null : this.discRadius };
    const region = await app.ask("region", values);
    if (!region) return;
    app.drawer.showMask(region.mask);
    this.state.textContent = "Computing labels again …";
    const made = await app.ask("correct", { ...values, class: this.class.value, kind: this.kind });
    this.state.textContent = made
      ? `${made.pixels.toLocaleString("en")} pixels are ${this.class.value} now.` : "";
  }

  async undo() { if (this.start) await this.app.ask("undo"); }

  async redo() { if (this.start) await this.app.ask("redo"); }

  fill(corrections) {
    this.corrections = corrections;
    const { app } = this;
    this.list.replaceChildren(...corrections.map((one) => {
      const id = app.classes.findIndex((c) => c.name === one.class);
      return element("div", { style: one.active ? "" : "opacity:.45", "data-correction": one.number,
        title: one.active ? `Weight ${one.weight}; click to open its keyframe` : "Undone",
        onclick: () => app.drawer.open(one.frame_index) },
      swatch(app.colourOf(id)),
      element("span", { className: "grow", textContent: `${one.class}`
        + `${one.kind === "override" ? " (pixels only)" : ""}` }),
      element("span", { className: "faint", textContent: `keyframe ${one.frame_index}` }),
      button("✕", "Remove it", (event) => { event.stopPropagation();
        app.ask("remove_correction", { number: one.number }); }));
    }));
    if (!corrections.length) this.list.append(element("p", { className: "faint small",
      textContent: "None yet." }));
  }
}
