// Making elements of the page.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "style") made.style.cssText = value;
    else if (name.startsWith("on")) made[name] = value;
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const button = (text, title, onclick, more = {}) =>
  element("button", { type: "button", textContent: text, title, onclick, ...more });

export function slider(label, title, { min, max, step, value, format }, onchange) {
  const output = element("output", { textContent: format(value) });
  const input = element("input", { type: "range", min, max, step, title, value,
    ariaLabel: label });
  input.oninput = () => {
    output.textContent = format(+input.value);
    onchange(+input.value);
  };
  const row = element("label", { className: "row", title }, element("span", { textContent: label }),
    input, output);
  row.set = (v) => { input.value = v; output.textContent = format(v); };
  row.limits = (low, high) => { input.min = low; input.max = high; };
  return row;
}

export function checkbox(label, title, checked, onchange) {
  const input = element("input", { type: "checkbox", checked, ariaLabel: label,
    onchange: () => onchange(input.checked) });
  const made = element("label", { title }, input, ` ${label}`);
  made.set = (value) => { input.checked = value; };
  return made;
}

export const swatch = (colour) => element("span", { className: "swatch",
  style: `background: rgb(${colour.slice(0, 3).join(",")})` });

export const heading = (text) => element("h3", { textContent: text });

let toastTimer = 0;
export function toast(text) {
  const box = document.getElementById("toast");
  box.textContent = text;
  box.classList.add("on");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => box.classList.remove("on"), 4000);
}

export const metres = (x) => x === null || x === undefined ? "unknown" :
  Math.abs(x) < 1 ? `${(100 * x).toFixed(1)} cm` : `${x.toFixed(2)} m`;
export const percent = (x) => `${(100 * x).toFixed(x < 0.095 ? 1 : 0)} %`;
