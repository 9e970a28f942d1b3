// The keyframe that is open, and the timeline of the walk.
import { button, element } from "./elements.js";
import { KINDS, figure, paint, pixelAt, reading, tip } from "./pictures.js";
import { moved } from "./maths.js";

const CURRENT_COLOUR = [1, 0.75, 0.2];

export class Drawer {
  constructor(app) {
    this.app = app;
    this.box = document.getElementById("drawer");
    this.maps = null;
    this.current = null;
    this.mark = null;
    this.mask = null;
    this.title = element("strong", { id: "keyframe-title" });
    this.readout = element("span", { className: "faint", id: "readout" });
    this.canvases = KINDS.map(([kind]) => element("canvas", { "data-kind": kind,
      onpointermove: (event) => this.hover(event), onpointerleave: (event) => this.leave(event),
      onpointerdown: (event) => this.press(event), onpointerup: (event) => this.release(event) }));
    this.box.append(element("header", {},
      button("‹", "The keyframe before (,)", () => this.step(-1)),
      button("›", "The next keyframe (.)", () => this.step(1)), this.title, this.readout,
      element("span", { className: "space" }),
      button("Look from here", "Put the eye where the camera was", () => this.jump()),
      button("✕", "Close (Esc)", () => this.close())),
    element("div", { className: "pictures" }, ...this.canvases.map((canvas, n) =>
      figure(canvas, KINDS[n][1]))));
    new ResizeObserver(() => document.documentElement.style.setProperty("--drawer",
      `${this.box.hidden ? 0 : this.box.offsetHeight}px`)).observe(this.box);
    app.on("palette", () => this.paint());
    app.on("scene", () => { if (this.current) this.open(this.current.index, this.mark, true); });
    app.on("reset", () => { this.version = null; });
  }

  async open(index, mark = null, quietly = false) {
    const { app } = this, keyframe = app.keyframes.find((k) => k.index === index);
    if (!keyframe) { if (this.current?.index === index) this.close(); return; }
    const maps = await app.ask("keyframe", { frame_index: index });
    if (!maps) return;
    this.maps = maps;
    this.current = keyframe;
    if (!quietly) this.mask = null;
    this.mark = mark;
    this.box.hidden = false;
    this.title.textContent = `Keyframe ${index} · ${maps.timestamp.toFixed(2)} s`;
    this.paint();
    app.showInScene("current", keyframe.pose, CURRENT_COLOUR, this.canvases[0]);
    app.timeline.draw();
    app.emit("opened", keyframe);
  }

  close() {
    this.current = this.maps = this.mark = this.mask = null;
    this.box.hidden = true;
    this.app.showInScene("current", null);
    this.app.timeline.draw();
    this.app.emit("opened", null);
  }

  step(by) {
    const { keyframes } = this.app;
    if (!keyframes.length) return;
    const place = keyframes.findIndex((k) => k.index === this.current?.index);
    const next = place < 0 ? (by > 0 ? 0 : keyframes.length - 1)
      : (place + by + keyframes.length) % keyframes.length;
    this.open(keyframes[next].index);
  }

  jump() { if (this.current) this.app.lookFrom(this.current); }

  paint() {
    if (!this.maps) return;
    this.canvases.forEach((canvas, n) => {
      canvas.parentElement.hidden = !this.maps[KINDS[n][0]];
      if (this.maps[KINDS[n][0]]) paint(canvas, KINDS[n][0], this.maps, this.app);
    });
    for (const canvas of this.canvases) this.paintMarks(canvas);
  }

  paintMarks(canvas) {
    const context = canvas.getContext("2d"), { width } = canvas;
    if (this.mask) {
      context.fillStyle = "#fff";
      this.mask.forEach((inside, n) => {
        const edge = inside && (!this.mask[n + 1] || !this.mask[n - 1] || !this.mask[n + width]
          || !this.mask[n - width]);
        if (edge || (inside && (n % width + Math.floor(n / width)) % 4 === 0))
          context.fillRect(n % width, Math.floor(n / width), 1, 1);
      });
    }
    for (const [points, colour] of [[this.outline, "#ffd43b"], [this.mark && [this.mark], "#fff"]]) {
      if (!points?.length) continue;
      context.strokeStyle = colour;
      context.beginPath();
      if (points.length === 1) {
        const [u, v] = points[0];
        context.arc(u + 0.5, v + 0.5, this.app.correct.discRadius ?? 5, 0, 7);
      } else points.forEach(([u, v]) => context.lineTo(u + 0.5, v + 0.5));
      context.stroke();
    }
  }

  hover(event) {
    const at = pixelAt(event.target, event);
    if (!at || !this.maps) return;
    const text = reading(this.maps, this.app, ...at);
    this.readout.textContent = `(${at.join(", ")}) ${text}`;
    tip(event, text);
    if (this.drawing) { this.outline.push(at); this.paint(); }
  }

  leave(event) { tip(event, null); }

  press(event) {
    const at = pixelAt(event.target, event);
    if (!at || !this.maps) return;
    event.target.setPointerCapture(event.pointerId);
    if (this.app.tool?.onPixel && this.app.correct.shape === "outline") {
      this.drawing = true;
      this.outline = [at];
    }
  }

  async release(event) {
    const at = pixelAt(event.target, event), { app } = this;
    const outline = this.drawing ? this.outline : null;
    this.drawing = false;
    this.outline = null;
    if (!this.maps) return;
    if (app.tool?.onPixel) {
      const place = outline && outline.length > 2 ? outline : at;
      if (place) await app.tool.onPixel(this.current, place);
    } else if (at) {
      this.mark = at;
      this.paint();
      this.pickAt(at);
    }
  }

  // The point of the map that a pixel sees.
  async pickAt([u, v]) {
    const { app } = this, [fx, fy, cx, cy] = app.lens, pose = app.inGround(this.current.pose);
    const end = moved(pose, [(u - cx) / fx, (v - cy) / fy, 1]), eye = pose.map((r) => r[3]);
    const length = Math.hypot(...end.map((x, i) => x - eye[i]));
    const found = await app.ask("pick", { origin: eye, tolerance: 0.012,
      direction: end.map((x, i) => (x - eye[i]) / length), filter: {} });
    if (found?.hit) { app.openTab("point"); app.point.show(found); }
  }

  showMask(mask) {
    this.mask = mask;
    this.paint();
  }
}

export class Timeline {
  constructor(app) {
    this.app = app;
    this.canvas = document.getElementById("walk");
    this.share = null;
    this.canvas.onpointermove = (event) => this.hover(event);
    this.canvas.onpointerleave = (event) => tip(event, null);
    this.canvas.onclick = (event) => {
      const near = this.nearest(event);
      if (near) app.drawer.open(near.index);
    };
    for (const event of ["keyframes", "scene", "palette", "annotations", "status"])
      app.on(event, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  get span() {
    const { keyframes, scene } = this.app, stamps = scene?.timestamps ?? [];
    const times = [...keyframes.map((k) => k.time), ...stamps];
    return times.length ? [Math.min(...times), Math.max(Math.max(...times),
      Math.min(...times) + 0.1)] : [0, 1];
  }

  // The time of a frame, between and beyond those of keyframes.
  timeOf(index) {
    const { keyframes } = this.app;
    if (keyframes.length < 2) return keyframes[0]?.time ?? 0;
    let n = keyframes.findIndex((k) => k.index >= index);
    n = n < 1 ? (n === 0 ? 1 : keyframes.length - 1) : n;
    const a = keyframes[n - 1], b = keyframes[n];
    return a.time + (b.time - a.time) * (index - a.index) / Math.max(b.index - a.index, 1);
  }

  x(time, width) {
    const [low, high] = this.span;
    return 14 + (width - 28) * (time - low) / (high - low);
  }

  setShare(share) {
    this.share = share;
    this.draw();
  }

  draw() {
    const { canvas, app } = this, ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const c = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    c.scale(ratio, ratio);
    const middle = height - 17, [low, high] = this.span;
    c.fillStyle = colour("field");
    c.fillRect(14, middle - 9, width - 28, 18);
    for (const [first, last] of app.scene?.losses ?? []) {
      c.fillStyle = colour("bad");
      const a = this.x(this.timeOf(first), width), b = this.x(this.timeOf(last), width);
      c.fillRect(a, middle - 9, Math.max(b - a, 2), 18);
    }
    c.strokeStyle = "#d057c8";
    c.lineWidth = 1.5;
    for (const [older, newer] of app.scene?.loops ?? []) {
      const a = this.x(this.timeOf(older), width), b = this.x(this.timeOf(newer), width);
      c.beginPath();
      c.moveTo(a, middle - 9);
      c.quadraticCurveTo((a + b) / 2, -middle / 3, b, middle - 9);
      c.stroke();
    }
    for (const k of app.keyframes) {
      const current = k.index === app.drawer.current?.index;
      c.fillStyle = current ? "#ffbf33" : colour("accent");
      c.fillRect(this.x(k.time, width) - (current ? 2 : 1), middle - (current ? 12 : 7),
        current ? 4 : 2, current ? 24 : 14);
    }
    c.fillStyle = colour("warn");
    c.font = "12px system-ui, sans-serif";
    for (const mark of app.annotations?.marks ?? []) c.fillText("⚑",
      this.x(mark.timestamp, width) - 2, middle - 9);
    if (this.share !== null) {
      c.fillStyle = colour("text");
      c.fillRect(this.x(low + this.share * (high - low), width) - 1, middle - 13, 2, 26);
    }
    c.fillStyle = colour("faint");
    c.font = "11px system-ui, sans-serif";
    c.fillText(`${low.toFixed(1)} s`, 14, 12);
    const end = `${high.toFixed(1)} s`;
    c.fillText(end, width - 14 - c.measureText(end).width, 12);
  }

  nearest(event) {
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left;
    let best = null, least = Infinity;
    for (const k of this.app.keyframes) {
      const away = Math.abs(this.x(k.time, box.width) - x);
      if (away < least) [best, least] = [k, away];
    }
    return best;
  }

  hover(event) {
    const near = this.nearest(event);
    if (!near) return;
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left;
    const [low, high] = this.span, time = low + (x - 14) / (box.width - 28) * (high - low);
    const mark = (this.app.annotations?.marks ?? []).find(
      (m) => Math.abs(this.x(m.timestamp, box.width) - x) < 7);
    const lost = (this.app.scene?.losses ?? []).some(([a, b]) => this.timeOf(a) <= time
      && time <= this.timeOf(b));
    tip(event, [mark && `⚑ ${mark.note || "marked"}`, lost && "lost here",
      `keyframe ${near.index} at ${near.time.toFixed(2)} s`].filter(Boolean).join(" · "));
  }
}
