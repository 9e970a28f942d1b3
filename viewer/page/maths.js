// Vectors are arrays of three numbers, matrices column-major arrays of sixteen, as WebGL has them.

export const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const subtract = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scaled = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0]];
export const norm = (a) => Math.hypot(a[0], a[1], a[2]);
export const unit = (a) => scaled(a, 1 / Math.max(norm(a), 1e-12));
export const mixed = (a, b, t) => a.map((v, i) => v + (b[i] - v) * t);
export const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

export function multiplied(a, b) {
  const out = new Float32Array(16);
  for (let c = 0; c < 4; c++)
    for (let r = 0; r < 4; r++)
      for (let k = 0; k < 4; k++) out[4 * c + r] += a[4 * k + r] * b[4 * c + k];
  return out;
}

export function ofRows(rows) {
  const out = new Float32Array(16);
  for (let r = 0; r < 4; r++)
    for (let c = 0; c < 4; c++) out[4 * c + r] = rows[r] ? rows[r][c] : (c === 3 ? 1 : 0);
  return out;
}

// A point by a matrix of rows (three or four rows of four).
export const moved = (rows, p) => [0, 1, 2].map(
  (i) => rows[i][0] * p[0] + rows[i][1] * p[1] + rows[i][2] * p[2] + rows[i][3]);

// The product of two rigid motions given as rows.
export const composed = (a, b) => [0, 1, 2].map((i) => [0, 1, 2, 3].map(
  (j) => a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j] + (j === 3 ? a[i][3] : 0)));

export const rowsOf = (flat, at = 0) => [0, 1, 2].map(
  (i) => [...flat.subarray(at + 4 * i, at + 4 * i + 4)]);
