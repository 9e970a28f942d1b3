// A run that is going on: its state, how it does, and controls.
import { button, element, heading } from "./elements.js";
import { figure, paint, pixelAt, reading, tip } from "./pictures.js";

const KEPT = 120;
const PLOTS = [["fps", "Frames a second", (v) => v.toFixed(1)],
  ["lag_s", "Lag of mapping", (v) => `${v.toFixed(2)} s`],
  ["memory_mb", "Memory", (v) => `${Math.round(v)} MB`],
  ["waiting", "Waiting for mapping", (v) => `${v}`]];
const LIVE_KINDS = [["image", "Newest frame"], ["depth", "Depth of the map"],
  ["labels", "Labels of the map"]];

export class RunPanel {
  constructor(app) {
    this.app = app;
    this.history = PLOTS.map(() => []);
    this.box = document.getElementById("tab-run");
    this.live = document.getElementById("live");
    this.canvases = LIVE_KINDS.map(([kind]) => element("canvas", { "data-live": kind,
      onpointermove: (event) => {
        const at = pixelAt(event.target, event);
        if (at && this.maps) tip(event, reading(this.maps, app, ...at));
      }, onpointerleave: (event) => tip(event, null) }));
    this.live.append(...this.canvases.map((canvas, n) => figure(canvas, LIVE_KINDS[n][1])));
    app.on("hello", (hello) => this.build(hello));
    app.on("status", (status) => this.note(status));
    app.on("live", (maps) => this.show(maps));
    app.on("opened", (keyframe) => {
      this.live.hidden = keyframe !== null || !this.maps;
    });
  }

  build({ is_live: isLive, may_change: may }) {
    const { app } = this;
    if (!isLive) {
      this.box.replaceChildren(element("p", { className: "faint",
        textContent: "This is a saved map. While a run goes on it can be paused and stopped here." }));
      return;
    }
    this.pause = button("Pause", "Take no more frames for a while", () =>
      app.ask(app.status?.state === "paused" ? "resume" : "pause"), { id: "pause", disabled: !may });
    const note = element("input", { type: "text", placeholder: "what happened here",
      ariaLabel: "Note", disabled: !may });
    this.plots = PLOTS.map(() => element("canvas", { className: "plot" }));
    this.values = PLOTS.map(() => element("span", { className: "faint" }));
    this.box.replaceChildren(heading("Run"),
      element("div", { className: "buttons" }, this.pause,
        button("Stop and save", "End the run; everything is kept", () => app.ask("stop"),
          { id: "stop", disabled: !may }),
        button("New map", "Save this map and begin another one", () => app.ask("new_map"),
          { id: "new-map", disabled: !may })),
      heading("Mark this moment"),
      element("form", { onsubmit: (event) => {
        event.preventDefault();
        app.ask("mark", { note: note.value });
        note.value = "";
      }, style: "display:flex;gap:5px" }, note, button("Mark", "Keep this moment with a note",
        null, { type: "submit", id: "mark", disabled: !may })),
      this.marks = element("div", { className: "list", id: "marks" }),
      ...PLOTS.flatMap(([, title], n) => [element("h3", {}, `${title} `, this.values[n]),
        this.plots[n]]));
    app.on("annotations", ({ marks }) => this.marks.replaceChildren(...marks.map((m) =>
      element("div", {}, element("span", { className: "grow", textContent: `⚑ ${m.note
        || "marked"}` }), element("span", { className: "faint",
        textContent: `${m.timestamp.toFixed(1)} s` })))));
  }

  note(status) {
    if (!this.plots || !status.state) return;
    const paused = status.state === "paused";
    this.pause.textContent = paused ? "Resume" : "Pause";
    const over = ["stopping", "ended"].includes(status.state);
    for (const id of ["pause", "stop", "new-map", "mark"])
      document.getElementById(id).disabled = over || !this.app.hello.may_change;
    if (status.state === "ended") { this.live.hidden = true; this.app.drawLive(); }
    PLOTS.forEach(([name, , format], n) => {
      const value = status[name];
      this.values[n].textContent = value === null || value === undefined ? "" : format(value);
      this.history[n].push(value ?? 0);
      if (this.history[n].length > KEPT) this.history[n].shift();
      this.plot(this.plots[n], this.history[n]);
    });
  }

  plot(canvas, values) {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = 40;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const c = canvas.getContext("2d"), most = Math.max(...values, 1e-9);
    c.scale(ratio, ratio);
    const x = (n) => width - (values.length - 1 - n) * width / (KEPT - 1);
    const y = (v) => height - 2 - (height - 5) * v / most;
    c.beginPath();
    values.forEach((v, n) => c.lineTo(x(n), y(v)));
    c.strokeStyle = "#4dabf7";
    c.lineWidth = 1.5;
    c.stroke();
    c.lineTo(x(values.length - 1), height);
    c.lineTo(x(0), height);
    c.fillStyle = "#4dabf730";
    c.fill();
  }

  async show(maps) {
    const { app } = this;
    const picture = await createImageBitmap(new Blob([maps.image], { type: "image/jpeg" }));
    this.maps = maps;
    this.live.hidden = !document.getElementById("drawer").hidden || app.status?.state === "ended";
    this.live.classList.toggle("lost", maps.lost);
    const [image, ...others] = this.canvases;
    image.width = maps.width;
    image.height = maps.height;
    image.getContext("2d").drawImage(picture, 0, 0);
    others.forEach((canvas, n) => paint(canvas, LIVE_KINDS[n + 1][0], maps, app));
  }
}
