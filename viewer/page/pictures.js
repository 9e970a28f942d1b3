// Images of keyframes and of the newest frame on canvases.
import { element, metres, percent } from "./elements.js";

// Depth in metres at the ends of its colours, as in the pictures of a result folder.
const NEAREST = 0.5, FARTHEST = 8;
const STD_LOW = 0.002, STD_HIGH = 2;

// Near red, far blue, in even ratios of depth.
function depthColour(depth) {
  if (depth <= 0) return [0, 0, 0];
  const t = Math.min(Math.max(Math.log(depth / NEAREST) / Math.log(FARTHEST / NEAREST), 0), 1);
  const hue = 240 * t, k = (n) => (n + hue / 30) % 12;
  const f = (n) => 0.52 - 0.46 * Math.max(-1, Math.min(k(n) - 3, 9 - k(n), 1));
  return [255 * f(0), 255 * f(8), 255 * f(4)];
}

export const KINDS = [["image", "Image"], ["depth", "Depth: near red, far blue"],
  ["labels", "Labels"], ["entropy", "Entropy: undecided is yellow"],
  ["depth_std", "Depth uncertainty: unsure is yellow"], 
  ["depth_error", "Error of depth: far off is yellow"]];

// Paints one of KINDS of the maps of a frame.
export function paint(canvas, kind, maps, app) {
  const { width, height } = maps;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), picture = context.createImageData(width, height);
  const data = picture.data, ramp = app.ramp;
  for (let n = 0; n < width * height; n++) {
    let c;
    if (kind === "image") c = [maps.image[3 * n], maps.image[3 * n + 1], maps.image[3 * n + 2]];
    else if (kind === "depth") c = depthColour(maps.depth[n] * maps.depth_step);
    else if (kind === "labels") c = maps.labels[n] === 255 ? [0, 0, 0] : app.colourOf(
      maps.labels[n]);
    else if (kind === "entropy") c = ramp[maps.entropy[n]];
    else {
      const std = Math.max(maps[kind][n] * maps.std_step, STD_LOW);
      c = ramp[Math.round(255 * Math.min(1, Math.log(std / STD_LOW)
        / Math.log(STD_HIGH / STD_LOW)))];
    }
    data.set(c, 4 * n);
    data[4 * n + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

// What a pixel says, as text.
export function reading(maps, app, u, v) {
  const n = v * maps.width + u, label = maps.labels[n];
  const parts = [label === 255 ? "nothing known" : app.classes[label]?.name ?? "?"];
  if (maps.confidence) parts.push(percent(maps.confidence[n] / 255));
  const depth = maps.depth[n] * maps.depth_step;
  if (depth > 0) parts.push(metres(depth)
    + (maps.depth_std ? ` ± ${metres(maps.depth_std[n] * maps.std_step)}` : ""));
  if (maps.depth_error) parts.push(`off by ${metres(maps.depth_error[n] * maps.std_step)}`);
  if (maps.entropy) parts.push(`entropy ${(maps.entropy[n] / 255).toFixed(2)}`);
  return parts.join(" · ");
}

export function pixelAt(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const u = Math.floor((event.clientX - box.left) / box.width * canvas.width);
  const v = Math.floor((event.clientY - box.top) / box.height * canvas.height);
  return u >= 0 && v >= 0 && u < canvas.width && v < canvas.height ? [u, v] : null;
}

export function tip(event, text) {
  const box = document.getElementById("tip");
  box.hidden = !text;
  box.textContent = text ?? "";
  if (!text) return;
  box.style.left = `${Math.min(event.clientX + 14, window.innerWidth - box.offsetWidth - 8)}px`;
  box.style.top = `${Math.min(event.clientY + 16, window.innerHeight - box.offsetHeight - 8)}px`;
}

export const figure = (canvas, text) => element("figure", {}, canvas,
  element("figcaption", { textContent: text, title: text }));
