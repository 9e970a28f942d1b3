// The sheet of keyboard shortcuts.
import { button, element, heading } from "./elements.js";

const KEYS = [["F", "fit the whole map"], ["B", "bird's view"], ["T", "floor plan"],
  ["C", "follow the camera"], ["V", "first person; W A S D Q E to move"], ["O", "orbit freely"],
  ["Space", "replay the walk"], [", .", "keyframe before, next"], ["/", "search objects"],
  ["M", "next colouring"], ["H", "show all classes"], ["[ ]", "smaller, larger points"],
  ["U", "surface or points"], ["K", "keyframes on or off"], ["L", "path on or off"], ["X", "shading on or off"],
  ["D", "dark or light"], ["Z Y", "undo, redo a correction"], ["I", "save the image"],
  ["P", "show or hide the panel"], ["1 – 5", "tabs of the panel"], ["Esc", "let everything go"],
  ["?", "this sheet"]];

export function showHelp() {
  const sheet = document.getElementById("sheet");
  if (sheet.open) { sheet.close(); return; }
  sheet.replaceChildren(heading("Pointer"),
    element("p", { className: "small", textContent: "Drag to orbit, right or shift drag to move, "
      + "wheel to come nearer, click to ask about a point, double click to orbit about it. On a "
      + "touch screen one finger orbits, two move and zoom." }),
    heading("Keys"),
    element("div", { className: "keys small" }, ...KEYS.flatMap(([keys, text]) =>
      [element("kbd", { textContent: keys }), element("span", { textContent: text })])),
    element("div", { className: "buttons", style: "margin-top:14px" },
      button("Close", "Esc", () => sheet.close())));
  sheet.showModal();
}
