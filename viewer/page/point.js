// What is known about the point that was clicked.
import { element, heading, metres, percent, swatch } from "./elements.js";
import { add } from "./maths.js";

const CROSS = 0.06, CROSS_COLOUR = [1, 1, 1];

export class PointPanel {
  constructor(app) {
    this.app = app;
    this.box = document.getElementById("tab-point");
    this.show(null);
    app.on("palette", () => this.fill());
  }

  show(found) {
    this.found = found?.hit ? found : null;
    const lines = [];
    if (this.found)
      for (const axis of [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
        lines.push(...add(found.ground, axis.map((x) => -CROSS * x)),
          ...add(found.ground, axis.map((x) => CROSS * x)), ...CROSS_COLOUR);
    this.app.renderer.setLines("cross", lines, 2, true);
    this.missed = found && !found.hit;
    this.fill();
    if (this.found && this.app.hello.has_probabilities) this.refine(this.found);
    this.app.redraw();
  }

  // Probabilities of all classes, which the server computes for a few keyframes only.
  async refine(found) {
    const exact = await this.app.ask("probabilities", { world: found.world });
    if (!exact?.probabilities.length || this.found !== found) return;
    found.probabilities = exact.probabilities;
    this.fill();
  }

  fill() {
    const { app, found } = this;
    if (!found) {
      this.box.replaceChildren(element("p", { className: "faint", textContent: this.missed
        ? "Nothing there. Click on the map."
        : "Click a point of the map: its class, how sure that is, where it is, and which keyframes "
          + "see it." }));
      return;
    }
    const row = (name, value) => [element("dt", { textContent: name }),
      element("dd", { textContent: value })];
    const coordinates = (p) => p.map((x) => x.toFixed(2)).join(", ");
    this.box.replaceChildren(
      element("div", { className: "big", id: "point-class" }, swatch(app.colourOf(found.label)),
        element("span", { textContent: found.class })),
      element("dl", {}, ...row("Confidence", percent(found.confidence)),
        ...row("Height over floor", metres(found.height)),
        ...row("Depth uncertainty", found.depth_std === null ? "not known"
          : `± ${metres(found.depth_std)}`),
        ...row("Position", `${coordinates(found.ground)} m`),
        ...row("In the world frame", `${coordinates(found.world)} m`)),
      heading("Probabilities"),
      element("div", { className: "bars", id: "bars" }, ...found.probabilities.flatMap(
        ([name, id, p]) => [element("span", { textContent: name }),
          element("div", { className: "bar" }, element("i", { style: `width:${100 * p}%;`
            + `background:rgb(${app.colourOf(id)})` })),
          element("span", { className: "faint", textContent: percent(p) })])),
      heading(`Seen by ${found.observations.length} keyframes`),
      element("div", { className: "list", id: "votes" }, ...found.observations.map((seen) =>
        element("div", { title: `Open keyframe ${seen.frame_index} at this pixel`,
          onclick: () => app.drawer.open(seen.frame_index, [seen.u, seen.v]) },
        element("span", { className: "grow", textContent: `keyframe ${seen.frame_index}` }),
        swatch(app.colourOf(seen.label)),
        element("span", { textContent: `${seen.class} ${percent(seen.confidence)}` }),
        element("span", { className: "faint", textContent: metres(seen.depth) })))),
      found.observations.length ? "" : element("p", { className: "faint small", textContent:
        "No keyframe has this point in sight at the depth that it knows there." }));
  }
}
