// The page: what the server says goes to the renderer and the panels, what the user does to them and
// to the server.
import { Camera } from "./camera.js";
import { Connection } from "./connection.js";
import { button, element, toast } from "./elements.js";
import { add, clamp, composed, mixed, moved, norm, rowsOf, scaled, subtract } from "./maths.js";
import { Renderer } from "./renderer.js";
import { LookPanel } from "./look.js";
import { PointPanel } from "./point.js";
import { FindPanel } from "./find.js";
import { CorrectPanel } from "./correct.js";
import { Drawer, Timeline } from "./keyframes.js";
import { RunPanel } from "./run.js";
import { showHelp } from "./help.js";

const PATH_COLOUR = [0.3, 0.67, 1], KEYFRAME_COLOUR = [0.62, 0.74, 0.88];
const CURRENT_COLOUR = [1, 0.75, 0.2], LIVE_COLOUR = [0.24, 0.86, 0.43], LOST_COLOUR = [1, 0.25, 0.25];
const LOOP_COLOUR = [0.9, 0.35, 0.85];
const FRUSTUM = 0.09, LARGE_FRUSTUM = 0.35;
// Frustums of more keyframes hide the map: others are drawn as their place on the path.
const MOST_FRUSTUMS = 250;
const BACKGROUNDS = { dark: [[0.045, 0.06, 0.085], [0.1, 0.13, 0.18]],
  light: [[0.93, 0.945, 0.96], [0.8, 0.84, 0.89]], black: [[0, 0, 0], [0, 0, 0]],
  white: [[1, 1, 1], [1, 1, 1]] };
export const VIEWS = [
  ["fit", "Fit", "The whole map (F)"], ["bird", "Bird", "From above at an angle (B)"],
  ["top", "Plan", "Floor plan: from above, ceiling cut (T)"],
  ["follow", "Follow", "Behind the camera (C)"],
  ["first", "Walk", "First person: W A S D to move (V)"], ["free", "Free", "Orbit freely (O)"]];

class App {
  constructor() {
    this.listeners = {};
    this.classes = [];
    this.ramp = [];
    this.colours = {};
    this.hidden = new Set();
    this.keyframes = [];
    this.path = new Float32Array(0);
    this.scene = null;
    this.live = null;
    this.view = "free";
    this.hello = {};
    this.settings = { mode: 0, pointSize: 1.5, fill: true, minConfidence: 0, shading: true,
      background: "dark", points: true, surface: false, path: true, keyframes: true, loops: true,
      clip: null, ceiling: null, ...JSON.parse(localStorage.getItem("scenecode") ?? "{}") };
    this.settings.clip = null;
    this.settings.ceiling = null;
    this.highlight = -1;
    this.tool = null;
    this.replay = null;
    this.keys = new Set();
    this.canvas = document.getElementById("scene");
    this.camera = new Camera();
    this.renderer = new Renderer(this.canvas);
    this.fitted = false;
    this.dirty = true;
    this.restless = 0;
    this.connection = new Connection((m) => this.receive(m), (open) => this.connected(open));
    this.look = new LookPanel(this);
    this.point = new PointPanel(this);
    this.find = new FindPanel(this);
    this.correct = new CorrectPanel(this);
    this.run = new RunPanel(this);
    this.drawer = new Drawer(this);
    this.timeline = new Timeline(this);
    this.setUpBar();
    this.setUpPointer();
    this.setUpKeys();
    this.setTheme(localStorage.getItem("scenecode-theme") ?? "dark");
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    requestAnimationFrame((now) => this.frame(now));
  }

  on(event, listener) { (this.listeners[event] ??= []).push(listener); }

  emit(event, ...values) { for (const one of this.listeners[event] ?? []) one(...values); }

  redraw() { this.dirty = true; }

  // --- from the server ----------------------------------------------------------------

  connected(open) {
    document.body.classList.toggle("offline", !open);
    if (!open) {
      this.setState("No connection", "warn");
      return;
    }
    this.renderer.clear();
    this.path = new Float32Array(0);
    this.settledVersion = undefined;
    this.attributesAsked = this.attributesComplete = this.surfaceAttributesComplete = false;
    this.emit("reset");
    if (this.settings.mode >= 3) this.wantAttributes();
    this.surfaceAsked = false;
    if (this.settings.surface) this.wantSurface();
  }

  receive(message) {
    const handler = { hello: this.hear_hello, scene: this.hear_scene, live: this.hear_live,
      keyframes: this.hear_keyframes, path: this.hear_path, status: this.hear_status,
      statistics: (m) => this.emit("statistics", m.classes),
      annotations: (m) => { this.annotations = m; this.colours = m.colours;
        this.updatePalette(); this.emit("annotations", m); },
      corrections: (m) => this.emit("corrections", m.corrections),
      points: (m) => this.renderer.addPoints(m), gone: (m) => this.renderer.removePoints(m.keys),
      attributes: (m) => this.renderer.setAttributes(m),
      mesh: (m) => { this.renderer.addMesh(m); this.emit("mesh"); },
      mesh_attributes: (m) => this.renderer.setMeshAttributes(m),
      mesh_gone: (m) => this.renderer.removeMeshes(m.keys),
      surface_complete: (m) => { this.surfaceTriangles = m.triangles;
        if (!m.triangles) toast("This map has no surface yet that several keyframes agree on."); },
      attributes_complete: () => { this.attributesComplete = true; },
      surface_attributes_complete: () => { this.surfaceAttributesComplete = true; },
      complete: this.hear_complete }[message.type];
    handler?.call(this, message);
    this.redraw();
  }

  hear_hello(message) {
    this.hello = message;
    this.classes = message.classes;
    this.ramp = message.ramp;
    document.getElementById("title").textContent = message.title;
    document.title = `${message.title} · scenecode`;
    this.setState(message.is_live ? "Starting" : "Saved map", message.is_live ? "warn" : "saved");
    document.body.classList.toggle("view-only", !message.may_change);
    this.updatePalette();
    this.emit("hello", message);
    if (message.has_polygons) {
      this.settings.surface = true;     // of this map, not kept for others
      this.wantSurface();
      this.emit("setting", "surface", true);
    }
  }

  hear_scene(message) {
    this.scene = message;
    document.getElementById("counts").textContent =
      `${message.points.toLocaleString("en")} points · ${this.keyframes.length} keyframes`;
    if (!this.fitted && message.points) this.setView("fit", false);
    this.drawWalk();
    this.emit("scene", message);
  }

  hear_complete(message) {
    this.settledVersion = message.version;
    if (this.renderer.loaded && (!this.fitted || (this.hello.is_live && this.view === "fit")))
      this.setView("fit", this.fitted);
    this.fitted ||= this.renderer.loaded > 0;
  }

  hear_keyframes(message) {
    this.keyframes = message.frame_index.map((index, n) => ({ index, place: n,
      time: message.timestamp[n], pose: rowsOf(message.poses, 12 * n) }));
    this.lens = message.camera;
    this.drawWalk();
    this.emit("keyframes");
  }

  hear_path(message) {
    const whole = new Float32Array(12 * message.total);
    whole.set(this.path.subarray(0, Math.min(this.path.length, whole.length)));
    whole.set(message.poses, 12 * message.first);
    this.path = whole;
    this.drawWalk();
  }

  hear_live(message) {
    this.live = message;
    const lost = message.lost;
    if (this.hello.is_live) this.emit("live", message);
    const alarm = document.getElementById("alarm");
    if (lost && alarm.hidden) alarm.innerHTML = "<b>The camera is lost</b>Move it slowly back to a "
      + "place that it has seen, with light and some texture in view. Mapping goes on by itself.";
    alarm.hidden = !lost;
    this.lostNow = lost;
    this.drawLive();
    if (this.view === "follow" && !this.replay) this.follow(this.inGround(message.pose));
    if (!this.status?.state || this.status.state === "running")
      this.setState(lost ? "Lost" : "Tracking", lost ? "bad" : "good");
  }

  hear_status(message) {
    this.status = message;
    const word = { paused: ["Paused", "warn"], stopping: ["Saving", "warn"],
      ended: ["Finished", "saved"] }[message.state];
    if (word) {
      this.setState(...word);
      document.getElementById("alarm").hidden = true;
    } else if (message.state === "running" && this.live)
      this.setState(this.lostNow ? "Lost" : "Tracking", this.lostNow ? "bad" : "good");
    this.emit("status", message);
  }

  setState(text, kind) {
    const badge = document.getElementById("state");
    badge.textContent = text;
    badge.className = `badge ${kind}`;
  }

  wantAttributes() {
    if (this.attributesAsked) return;
    this.attributesAsked = true;
    this.connection.ask("attributes").catch(() => { this.attributesAsked = false; });
  }

  wantSurface() {
    if (this.surfaceAsked) return;
    this.surfaceAsked = true;
    toast(`Computing the ${this.hello.has_polygons ? "polygons" : "surface"} …`);
    this.connection.ask("surface").catch(() => { this.surfaceAsked = false; });
  }

  async ask(name, values) {
    try {
      return await this.connection.ask(name, values);
    } catch (error) {
      toast(error.message);
      return null;
    }
  }

  // --- the scene ----------------------------------------------------------------------

  inGround(pose) { return composed(this.scene?.T_ground_world ?? IDENTITY, pose); }

  colourOf(label) {
    const of_class = this.classes[label];
    return of_class ? this.colours[of_class.name] ?? of_class.colour : [77, 77, 77];
  }

  updatePalette() {
    if (!this.classes.length) return;
    this.renderer.setPalette(this.classes.map((c) => [...this.colourOf(c.id),
      !this.hidden.has(c.id)]), this.ramp);
    this.emit("palette");
    this.redraw();
  }

  drawWalk() {
    if (!this.scene) return;
    const T = this.scene.T_ground_world, lines = [];
    const at = (n) => moved(T, [3, 7, 11].map((k) => this.path[12 * n + k]));
    const total = this.path.length / 12, step = Math.max(1, Math.floor(total / 3000));
    let before = total ? at(0) : null;
    for (let n = step; n < total; n += step) {
      const here = at(n);
      lines.push(...before, ...here, ...PATH_COLOUR);
      before = here;
    }
    this.renderer.setLines("path", lines, 2.5);
    const frustums = [], every = Math.max(1, Math.ceil(this.keyframes.length / MOST_FRUSTUMS));
    this.keyframes.forEach((k, n) => {
      if (n % every === 0) frustums.push(...this.frustum(composed(T, k.pose), FRUSTUM,
        KEYFRAME_COLOUR));
    });
    this.renderer.setLines("keyframes", frustums, 1.5);
    const place = new Map(this.keyframes.map((k) => [k.index, k]));
    const loops = (this.scene.loops ?? []).filter(([a, b]) => place.has(a) && place.has(b))
      .flatMap(([a, b]) => [a, b].map((i) => moved(T, place.get(i).pose.map((r) => r[3]))).flat()
        .concat(LOOP_COLOUR));
    this.renderer.setLines("loops", loops, 2.5);
    this.redraw();
  }

  frustum(pose, size, colour) {
    const [fx, fy, cx, cy, w, h] = this.lens ?? [1, 1, 0.5, 0.5, 1, 1];
    const apex = pose.map((r) => r[3]);
    const corners = [[0, 0], [w, 0], [w, h], [0, h]].map(([u, v]) => moved(pose,
      [size * (u - cx) / fx, size * (v - cy) / fy, size]));
    const lines = [];
    corners.forEach((corner, n) => lines.push(...apex, ...corner, ...colour, ...corner,
      ...corners[(n + 1) % 4], ...colour));
    return lines;
  }

  // The image of a camera where it is, or nothing.
  showInScene(name, pose, colour, image) {
    if (!pose) {
      this.renderer.setLines(name, null);
      if (name === "current") this.renderer.setImage(null);
    } else {
      const T = this.inGround(pose), size = LARGE_FRUSTUM;
      this.renderer.setLines(name, this.frustum(T, size, colour), 2.5);
      if (image) {
        const [fx, fy, cx, cy, w, h] = this.lens;
        const place = (u, v) => moved(T, [size * (u - cx) / fx, size * (v - cy) / fy, size]);
        const corner = place(0, 0);
        this.renderer.setImage(image, corner, subtract(place(w, 0), corner),
          subtract(place(0, h), corner));
      }
    }
    this.redraw();
  }

  drawLive() {
    if (!this.live || this.status?.state === "ended") { this.renderer.setLines("live", null); return; }
    this.lens ??= this.live.camera;
    this.renderer.setLines("live", this.frustum(this.inGround(this.live.pose), LARGE_FRUSTUM / 1.5,
      this.live.lost ? LOST_COLOUR : LIVE_COLOUR), 3, true);
  }

  // --- views --------------------------------------------------------------------------

  get box() {
    const low = this.scene?.low ?? [-1, -1, 0], high = this.scene?.high ?? [1, 1, 2];
    return { centre: mixed(low, high, 0.5), size: subtract(high, low), low, high };
  }

  setView(name, fly = true) {
    const { camera } = this, { centre, size, low, high } = this.box;
    const aspect = this.canvas.clientWidth / Math.max(this.canvas.clientHeight, 1);
    camera.orthographic = name === "top";
    const goals = {};
    for (const [view, yaw, pitch] of [["fit", this.startYaw(), -0.55],
      ["bird", this.startYaw(), -1.0], ["top", Math.PI / 2, -1.5707]])
      goals[view] = camera.fitted(this.landmarks(centre, size), aspect, yaw, pitch);
    if (this.view === "top" && name !== "top" && this.planCut) {
      this.planCut = false;
      this.look.setCeiling(null);
    }
    this.view = name;
    camera.firstPerson = name === "first";
    if (name === "top" && this.settings.ceiling === null) {
      this.planCut = true;
      this.look.setCeiling(Math.min(2.0, low[2] + 0.72 * (high[2] - low[2])));
    }
    if (name === "first") {
      const near = this.drawer.current ?? this.keyframes[0];
      const pose = this.live && this.hello.is_live ? this.live.pose : near?.pose;
      if (pose) { camera.pose = this.inGround(pose); camera.release(); }
    } else if (name === "follow") {
      const pose = this.live?.pose ?? this.keyframes.at(-1)?.pose;
      if (pose) this.follow(this.inGround(pose));
    } else if (goals[name]) {
      camera.release();
      if (fly) camera.flyTo(goals[name]);
      else camera.state = goals[name];
    }
    for (const one of document.querySelectorAll("#views button"))
      one.setAttribute("aria-pressed", one.dataset.view === name);
    this.canvas.focus({ preventScroll: true });
    this.redraw();
  }

  // Points that a view of the whole map is to show.
  landmarks(centre, size) {
    const points = this.scene ? this.renderer.sample(this.scene.T_ground_world) : [];
    if (points.length > 30) return points;
    return [...Array(8).keys()].map((n) => centre.map((c, i) => c + (n >> i & 1 ? 0.5 : -0.5)
      * size[i]));
  }

  // A direction in which the eye looks into the room from the side that the cameras were on.
  startYaw() {
    if (!this.keyframes.length) return 0.8;
    const poses = this.keyframes.map((k) => this.inGround(k.pose)), n = poses.length;
    const mean = (j) => [0, 1].map((i) => poses.reduce((sum, p) => sum + p[i][j], 0) / n);
    const { centre } = this.box, from = mean(3), there = centre.slice(0, 2).map((c, i) =>
      c - from[i]), ahead = Math.hypot(...there) > 0.7 ? there : mean(2);
    return Math.atan2(ahead[1], ahead[0]) + 0.2;
  }

  follow(pose) {
    const ahead = pose.map((r) => r[2]), centre = pose.map((r) => r[3]);
    this.camera.flyTo({ target: add(centre, scaled(ahead, 1.2)), distance: 3,
      yaw: Math.atan2(ahead[1], ahead[0]), pitch: -0.42 });
  }

  lookFrom(keyframe) {
    this.setView("free");
    this.camera.pose = this.inGround(keyframe.pose);
    this.redraw();
  }

  // From the side of the nearest keyframe, where walls hide nothing.
  flyToBox(centre, size) {
    this.setView("free");
    let near = null, least = Infinity;
    for (const k of this.keyframes) {
      const away = subtract(centre, this.inGround(k.pose).map((r) => r[3]));
      if (norm(away) < least) [near, least] = [away, norm(away)];
    }
    const room = 1.4 * norm(size) + 0.4;
    this.camera.flyTo({ target: centre, pitch: -0.45,
      distance: clamp(least, 0.6 * room, room),
      ...near && { yaw: Math.atan2(near[1], near[0]) } });
  }

  togglePlay() {
    const total = this.path.length / 12;
    if (this.replay || total < 2) this.replay = null;
    else {
      const { timestamps } = this.scene, span = timestamps.length ? timestamps[1] - timestamps[0]
        : total / 30;
      this.replay = { started: performance.now(), from: this.timeline.share >= 1 ? 0
        : this.timeline.share ?? 0, seconds: Math.max(span, 1) };
    }
    document.getElementById("play").textContent = this.replay ? "❚❚" : "▶";
    this.redraw();
  }

  advanceReplay(now) {
    const share = this.replay.from + (now - this.replay.started) / 1000 / this.replay.seconds;
    const total = this.path.length / 12;
    const n = clamp(Math.floor(share * (total - 1)), 0, total - 1);
    const pose = this.inGround(rowsOf(this.path, 12 * n));
    this.renderer.setLines("replay", this.frustum(pose, LARGE_FRUSTUM / 1.5, CURRENT_COLOUR), 3,
      true);
    this.timeline.setShare(Math.min(share, 1));
    if (this.view === "first") this.camera.pose = pose;
    else if (this.view === "follow") this.follow(pose);
    if (share >= 1) {
      this.renderer.setLines("replay", null);
      this.togglePlay();
    }
  }

  // --- frames -------------------------------------------------------------------------

  setSetting(name, value) {
    this.settings[name] = value;
    if (name === "mode" && value >= 3) this.wantAttributes();
    if (name === "surface" && value) this.wantSurface();
    localStorage.setItem("scenecode", JSON.stringify(this.settings));
    this.emit("setting", name, value);
    this.redraw();
  }

  get limits() {
    const far = 1e5, { clip, ceiling } = this.settings, { low, high } = this.box;
    const at = (n, share) => low[n] + share * (high[n] - low[n]);
    const lower = clip ? clip.low.map((s, n) => s <= 0 ? -far : at(n, s)) : [-far, -far, -far];
    const upper = clip ? clip.high.map((s, n) => s >= 1 ? far : at(n, s)) : [far, far, far];
    if (ceiling !== null) upper[2] = Math.min(upper[2], ceiling);
    return { low: lower, high: upper };
  }

  frame(now) {
    requestAnimationFrame((next) => this.frame(next));
    let moving = this.camera.advance(now) || this.spin || this.keys.size > 0;
    if (this.keys.size) this.walkByKeys();
    if (this.replay) { this.advanceReplay(now); moving = true; }
    if (this.spin) this.camera.orbit(this.spin, 0);
    if (moving || now < this.restless) this.dirty = true;
    if (!this.dirty) return;
    const isMoving = moving || now < this.restless;
    // points that have come are put together a few times a second
    if (this.renderer.gather(now) && !isMoving) return;
    // whatever was drawn in haste is drawn once more in full
    this.dirty = isMoving;
    this.renderer.draw(this.camera, this.lookNow(), isMoving);
    this.moveFlags();
    this.emit("frame");
  }

  lookNow() {
    const s = this.settings, { low, high } = this.limits;
    const hiddenLines = [...s.path ? [] : ["path"], ...s.keyframes ? [] : ["keyframes"],
      ...s.loops ? [] : ["loops"]];
    return { ...s, clipLow: low, clipHigh: high, highlight: this.highlight, hiddenLines,
      spacing: this.scene?.spacing ?? 0.03, heights: [this.box.low[2], this.box.high[2]],
      T_ground_world: this.scene?.T_ground_world ?? IDENTITY,
      background: BACKGROUNDS[s.background] ?? BACKGROUNDS.dark };
  }

  stir() { this.restless = performance.now() + 220; this.redraw(); }

  // Texts at places of the map: [[point, text], ...].
  setFlags(flags) {
    this.flags = flags.map(([point, text]) => [point, element("div", { className: "flag",
      textContent: text })]);
    document.getElementById("overlay").replaceChildren(...this.flags.map(([, box]) => box));
    this.redraw();
  }

  moveFlags() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    for (const [point, box] of this.flags ?? []) {
      const at = this.camera.seen(point, width, height);
      box.hidden = !at;
      if (at) {
        box.style.left = `${at[0]}px`;
        box.style.top = `${at[1] + this.canvas.offsetTop}px`;
      }
    }
  }

  // --- the user -----------------------------------------------------------------------

  setUpBar() {
    document.getElementById("views").append(...VIEWS.map(([name, text, title]) =>
      button(text, title, () => this.setView(name), { "data-view": name })));
    document.getElementById("play").onclick = () => this.togglePlay();
    document.getElementById("theme").onclick = () => this.toggleTheme();
    document.getElementById("help").onclick = showHelp;
    document.getElementById("panel-toggle").onclick = () => this.togglePanel();
    if (window.innerWidth <= 760) this.togglePanel();
    const tabs = document.getElementById("tabs");
    for (const [name, text, title] of [["look", "Look", "Colours, classes, what is shown (1)"],
      ["point", "Point", "What is known about a point (2)"],
      ["find", "Find", "Search objects and measure (3)"],
      ["correct", "Correct", "Correct labels (4)"], ["run", "Run", "The run that goes on (5)"]])
      tabs.append(button(text, title, () => this.openTab(name), { role: "tab",
        "data-tab": name }));
    this.openTab("look");
  }

  openTab(name) {
    for (const one of document.querySelectorAll("#tabs button"))
      one.setAttribute("aria-selected", one.dataset.tab === name);
    for (const one of document.querySelectorAll(".tab"))
      one.classList.toggle("open", one.id === `tab-${name}`);
  }

  togglePanel() {
    document.body.classList.toggle("no-panel");
    this.redraw();
  }

  toggleTheme() {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    this.setTheme(theme);
    this.setSetting("background", theme);
  }

  setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("scenecode-theme", theme);
    this.emit("palette");
  }

  rayAt(event) {
    const box = this.canvas.getBoundingClientRect(), { low, high } = this.limits;
    return { ...this.camera.ray(event.clientX - box.left, event.clientY - box.top, box.width,
      box.height), filter: { hidden: [...this.hidden], low, high,
      min_confidence: this.settings.minConfidence } };
  }

  async click(event) {
    if (this.tool?.onScene) return this.tool.onScene(this.rayAt(event));
    const found = await this.ask("pick", this.rayAt(event));
    if (found?.hit) {
      this.openTab("point");
      document.body.classList.remove("no-panel");
    }
    this.point.show(found);
    return undefined;
  }

  setUpPointer() {
    const { canvas, camera } = this, down = new Map();
    let travelled = 0, apart = 0;
    canvas.oncontextmenu = (event) => event.preventDefault();
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      down.set(event.pointerId, event);
      travelled = 0;
      canvas.focus({ preventScroll: true });
    };
    canvas.onpointermove = (event) => {
      const before = down.get(event.pointerId);
      if (!before) return;
      const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
      down.set(event.pointerId, event);
      travelled += Math.abs(dx) + Math.abs(dy);
      if (travelled < 4) return;
      if (down.size === 2) {
        const [a, b] = [...down.values()];
        const now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
        if (apart) camera.zoom(apart / Math.max(now, 1));
        apart = now;
        camera.pan(dx / 2, dy / 2, canvas.clientHeight);
      } else if (event.buttons & 6 || event.shiftKey || camera.orthographic)
        camera.pan(dx, dy, canvas.clientHeight);
      else camera.orbit(dx * 0.006, dy * 0.006);
      if (["fit", "bird", "follow"].includes(this.view)) this.setView("free");
      this.stir();
    };
    const up = (event) => {
      const held = down.delete(event.pointerId);
      apart = 0;
      if (held && travelled < 5 && event.type === "pointerup" && event.button === 0)
        this.click(event);
      this.stir();
    };
    canvas.onpointerup = up;
    canvas.onpointercancel = up;
    canvas.ondblclick = async (event) => {
      const found = await this.ask("pick", this.rayAt(event));
      if (found?.hit) { this.setView("free"); camera.flyTo({ target: found.ground }); }
      this.redraw();
    };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      camera.zoom(Math.exp(clamp(event.deltaY, -240, 240) * 0.0012));
      if (["fit", "bird", "follow"].includes(this.view)) this.setView("free");
      this.stir();
    }, { passive: false });
  }

  setUpKeys() {
    const jobs = { f: () => this.setView("fit"), b: () => this.setView("bird"),
      t: () => this.setView("top"), c: () => this.setView("follow"), v: () => this.setView("first"),
      o: () => this.setView("free"), " ": () => this.togglePlay(), p: () => this.togglePanel(),
      "?": showHelp, u: () => this.setToggle("surface"), k: () => this.setToggle("keyframes"), l: () => this.setToggle("path"),
      x: () => this.setToggle("shading"), m: () => this.look.nextMode(),
      "[": () => this.look.changeSize(-0.5), "]": () => this.look.changeSize(0.5),
      h: () => this.look.showAll(), ".": () => this.drawer.step(1), ",": () => this.drawer.step(-1),
      "/": () => { this.openTab("find"); this.find.focus(); }, z: () => this.correct.undo(),
      y: () => this.correct.redo(), i: () => this.saveImage(), Escape: () => this.escape() };
    ["look", "point", "find", "correct", "run"].forEach((name, n) => {
      jobs[n + 1] = () => this.openTab(name);
    });
    window.addEventListener("keydown", (event) => {
      if (/INPUT|SELECT|TEXTAREA/.test(event.target.tagName) && event.key !== "Escape"
        && !["range", "checkbox", "color"].includes(event.target.type)) return;
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("dialog")) return;
      const walking = this.view === "first" && "wasdqe".includes(event.key.toLowerCase());
      if (walking) { this.keys.add(event.key.toLowerCase()); this.redraw(); return; }
      const job = jobs[event.key] ?? jobs[event.key.toLowerCase()]
        ?? (event.key.toLowerCase() === "d" ? () => this.toggleTheme() : null);
      if (!job || (event.key === " " && event.target.tagName === "BUTTON")) return;
      event.preventDefault();
      job();
    });
    window.addEventListener("keyup", (event) => this.keys.delete(event.key.toLowerCase()));
    window.addEventListener("blur", () => this.keys.clear());
  }

  setToggle(name) { this.setSetting(name, !this.settings[name]); }

  walkByKeys() {
    const step = 0.035, key = (k) => this.keys.has(k) ? step : 0;
    this.camera.walk(key("w") - key("s"), key("d") - key("a"), key("e") - key("q"));
    this.stir();
  }

  saveImage() {
    this.renderer.draw(this.camera, this.lookNow(), false);
    this.canvas.toBlob((blob) => {
      const link = element("a", { href: URL.createObjectURL(blob), download: "scenecode.png" });
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  escape() {
    this.setTool(null);
    this.point.show(null);
    this.drawer.close();
    this.find.clear();
  }

  setTool(tool) {
    this.tool?.off?.();
    this.tool = tool;
    this.emit("tool", tool);
  }
}

const IDENTITY = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]];

try {
  window.app = new App();
} catch (error) {
  document.body.textContent = error.message;
  throw error;
}
