// The eye. Coordinates are of the ground frame: z up from the floor, metres.
import { add, clamp, cross, dot, mixed, scaled, subtract, unit } from "./maths.js";

const DEFAULT_FOV = 50 * Math.PI / 180;
const FLIGHT_MS = 550;
// Share of the picture that what is fitted may fill, and of its points that may be outside.
const FILLED = 0.9, OUTLIERS = 0.01;
// Steps in which such a picture is centred.
const CENTRINGS = 5;

export class Camera {
  constructor() {
    this.state = { target: [0, 0, 1], distance: 5, yaw: 0.6, pitch: -0.6 };
    this.fov = DEFAULT_FOV;
    this.orthographic = false;
    // rows [right, down, ahead | centre] of a camera that is looked through exactly
    this.pose = null;
    this.firstPerson = false;
    this._flight = null;
  }

  get axes() {
    if (this.pose) {
      const column = (j) => this.pose.map((row) => row[j]);
      return { right: column(0), up: scaled(column(1), -1), ahead: column(2) };
    }
    const { yaw, pitch } = this.state;
    const ahead = [Math.cos(pitch) * Math.cos(yaw), Math.cos(pitch) * Math.sin(yaw),
      Math.sin(pitch)];
    const right = [Math.sin(yaw), -Math.cos(yaw), 0];
    return { right, up: cross(right, ahead), ahead };
  }

  get eye() {
    if (this.pose) return this.pose.map((row) => row[3]);
    return subtract(this.state.target, scaled(this.axes.ahead, this.state.distance));
  }

  // Leaves an exact pose with the same eye and direction, as far as one without roll has them.
  release() {
    if (!this.pose) return;
    const eye = this.eye, { ahead } = this.axes;
    this.pose = null;
    this.state = { ...this.state, distance: Math.max(this.state.distance, 0.5),
      yaw: Math.atan2(ahead[1], ahead[0]), pitch: clamp(Math.asin(clamp(ahead[2], -1, 1)),
        -1.55, 1.55) };
    this.state.target = add(eye, scaled(this.axes.ahead, this.state.distance));
  }

  orbit(dx, dy) {
    this.release();
    this._flight = null;
    const eye = this.eye;
    this.state.yaw -= dx;
    this.state.pitch = clamp(this.state.pitch - dy, -1.5707, 1.5707);
    if (this.firstPerson) this.state.target = add(eye, scaled(this.axes.ahead,
      this.state.distance));
  }

  // Moves with what is at the target following the pointer; in pixels.
  pan(dx, dy, height) {
    this.release();
    this._flight = null;
    const step = 2 * this.state.distance * Math.tan(this.fov / 2) / height;
    const { right, up } = this.axes;
    this.state.target = add(this.state.target,
      add(scaled(right, -dx * step), scaled(up, dy * step)));
  }

  zoom(factor, towards = null) {
    this.release();
    this._flight = null;
    if (this.firstPerson) {
      const { ahead } = this.axes;
      this.state.target = add(this.state.target, scaled(ahead, (1 - factor) * 1.5));
      return;
    }
    if (towards) this.state.target = add(towards, scaled(subtract(this.state.target, towards),
      factor));
    this.state.distance = clamp(this.state.distance * factor, 0.05, 2000);
  }

  walk(forward, sideways, upwards) {
    this.release();
    const { right, ahead } = this.axes, flat = unit([ahead[0], ahead[1], 0.0001]);
    this.state.target = add(this.state.target, add(add(scaled(flat, forward),
      scaled(right, sideways)), [0, 0, upwards]));
  }

  flyTo(goal, now = performance.now()) {
    this.release();
    const turn = goal.yaw === undefined ? 0 :
      ((goal.yaw - this.state.yaw + Math.PI) % (2 * Math.PI) + 2 * Math.PI) % (2 * Math.PI)
      - Math.PI;
    this._flight = { from: { ...this.state }, to: { ...this.state, ...goal,
      yaw: this.state.yaw + turn }, started: now };
  }

  // Whether the eye is still moving by itself.
  advance(now) {
    if (!this._flight) return false;
    const t = clamp((now - this._flight.started) / FLIGHT_MS, 0, 1), s = t * t * (3 - 2 * t);
    const { from, to } = this._flight, at = (a, b) => a + (b - a) * s;
    this.state = { target: mixed(from.target, to.target, s), yaw: at(from.yaw, to.yaw),
      pitch: at(from.pitch, to.pitch),
      distance: Math.exp(at(Math.log(from.distance), Math.log(to.distance))) };
    if (t >= 1) this._flight = null;
    return true;
  }

  // The state from which points are seen whole in a direction, but for a few outliers.
  fitted(points, aspect, yaw, pitch) {
    const ahead = [Math.cos(pitch) * Math.cos(yaw), Math.cos(pitch) * Math.sin(yaw),
      Math.sin(pitch)], right = [Math.sin(yaw), -Math.cos(yaw), 0], up = cross(right, ahead);
    const sorted = (values) => [...values].sort((a, b) => a - b);
    const at = (values, share) => values[Math.round(share * (values.length - 1))];
    const quantiles = (values, share) => {
      const ordered = sorted(values);
      return [at(ordered, share), at(ordered, 1 - share)];
    };
    const middle = (axis) => {
      const [low, high] = quantiles(points.map((p) => dot(p, axis)), OUTLIERS);
      return (low + high) / 2;
    };
    let target = add(add(scaled(right, middle(right)), scaled(up, middle(up))),
      scaled(ahead, middle(ahead)));
    const high = FILLED * Math.tan(this.fov / 2), wide = high * aspect;
    let distance = 0;
    // what is near is seen larger than what is far: the middle of the picture is found step by step
    for (let n = 0; n < CENTRINGS; n++) {
      const places = points.map((p) => {
        const d = subtract(p, target);
        return [dot(d, right), dot(d, up), this.orthographic ? 0 : dot(d, ahead)];
      });
      distance = Math.max(0.3, at(sorted(places.map(([x, y, z]) => Math.max(Math.abs(x) / wide,
        Math.abs(y) / high) - z)), 1 - OUTLIERS));
      if (n === CENTRINGS - 1) break;
      [right, up].forEach((axis, i) => {
        const seen = quantiles(places.map((p) => p[i] / Math.max(distance + p[2], 0.1)), OUTLIERS);
        target = add(target, scaled(axis, distance * (seen[0] + seen[1]) / 2));
      });
    }
    return { target, yaw, pitch, distance };
  }

  matrices(width, height) {
    const { right, up, ahead } = this.axes, eye = this.eye;
    const reach = this.pose ? 4 : this.state.distance;
    const near = this.orthographic ? -500 : clamp(reach * 0.01, 0.005, 0.1),
      far = this.orthographic ? 500 : Math.max(200, reach * 8);
    const view = new Float32Array([right[0], up[0], -ahead[0], 0, right[1], up[1], -ahead[1], 0,
      right[2], up[2], -ahead[2], 0, -dot(right, eye), -dot(up, eye), dot(ahead, eye), 1]);
    const f = 1 / Math.tan(this.fov / 2), aspect = width / height;
    const half = this.state.distance * Math.tan(this.fov / 2);
    const projection = this.orthographic ?
      new Float32Array([1 / (half * aspect), 0, 0, 0, 0, 1 / half, 0, 0,
        0, 0, -2 / (far - near), 0, 0, 0, -(far + near) / (far - near), 1]) :
      new Float32Array([f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, -(far + near) / (far - near), -1,
        0, 0, -2 * far * near / (far - near), 0]);
    return { view, projection, near, far, eye,
      pixelsPerMetre: this.orthographic ? height / (2 * half) : height * f / 2 };
  }

  // The ray through a place of the canvas, both in CSS pixels.
  ray(x, y, width, height) {
    const { right, up, ahead } = this.axes, t = Math.tan(this.fov / 2);
    const u = (2 * x / width - 1) * t * width / height, v = (1 - 2 * y / height) * t;
    if (this.orthographic) {
      const d = this.state.distance;
      const centre = subtract(this.state.target, scaled(ahead, 300));
      return { origin: add(centre, add(scaled(right, u * d), scaled(up, v * d))),
        direction: ahead, tolerance: 8 * 2 * d * t / height / 300 };
    }
    return { origin: this.eye, tolerance: Math.atan(7 * 2 * t / height),
      direction: unit(add(ahead, add(scaled(right, u), scaled(up, v)))) };
  }

  // Where a place is seen, in CSS pixels; null behind the eye.
  seen(point, width, height) {
    const { right, up, ahead } = this.axes, d = subtract(point, this.eye), z = dot(d, ahead);
    if (z <= 0.01 && !this.orthographic) return null;
    const depth = this.orthographic ? this.state.distance : z;
    const f = height / (2 * Math.tan(this.fov / 2));
    return [width / 2 + f * dot(d, right) / depth, height / 2 - f * dot(d, up) / depth];
  }
}
