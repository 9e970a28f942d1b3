// The coarsest triangles of a surface, those of all pieces in a cube in one buffer: where most of the map
// is far away, a few calls draw it instead of thousands.
const RECORD_BYTES = 12, ATTRIBUTE_BYTES = 8, NORMAL_BYTES = 4;

// Items of `bytes` each of an array, those of the numbers `used`.
function picked(array, bytes, used) {
  const found = new Uint8Array(used.length * bytes);
  const source = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  used.forEach((n, to) => found.set(source.subarray(n * bytes, (n + 1) * bytes), to * bytes));
  return found;
}

// The last level of a piece with its own vertices only.
export function coarsest({ low, step, records, normals, triangles, counts, cells }) {
  const corners = triangles.subarray(triangles.length - counts[counts.length - 1]);
  const used = [...new Set(corners)], place = new Map(used.map((n, to) => [n, to]));
  return { low, step, used, cell: cells[cells.length - 1], corners: corners.map((n) => place.get(n)),
    records: picked(records, RECORD_BYTES, used), normals: picked(normals, NORMAL_BYTES, used),
    attributes: new Uint8Array(used.length * ATTRIBUTE_BYTES) };
}

export function setAttributes(coarse, records) {
  coarse.attributes = picked(records, ATTRIBUTE_BYTES, coarse.used);
}

// What `coarsest` gave for several pieces as one, in steps of their common box.
export function merged(all) {
  const low = [0, 1, 2].map((i) => Math.min(...all.map((c) => c.low[i])));
  const high = [0, 1, 2].map((i) => Math.max(...all.map((c) => c.low[i] + 65535 * c.step[i])));
  const step = low.map((v, i) => Math.max(high[i] - v, 1e-6) / 65535);
  const sum = (size) => all.reduce((n, c) => n + size(c), 0);
  const vertices = sum((c) => c.used.length);
  const records = new Uint8Array(vertices * RECORD_BYTES),
    normals = new Int8Array(vertices * NORMAL_BYTES),
    attributes = new Uint8Array(vertices * ATTRIBUTE_BYTES),
    triangles = new Uint32Array(sum((c) => c.corners.length));
  const numbers = new Uint16Array(records.buffer);
  let first = 0, corner = 0;
  for (const c of all) {
    records.set(c.records, first * RECORD_BYTES);
    normals.set(c.normals, first * NORMAL_BYTES);
    attributes.set(c.attributes, first * ATTRIBUTE_BYTES);
    for (let n = 0; n < c.used.length; n++)
      for (let i = 0; i < 3; i++) {
        const at = 6 * (first + n) + i;
        numbers[at] = Math.round((c.low[i] + numbers[at] * c.step[i] - low[i]) / step[i]);
      }
    for (const n of c.corners) triangles[corner++] = first + n;
    first += c.used.length;
  }
  return { low, step, low3: low, high3: high, records, normals, attributes, triangles,
    cell: Math.max(...all.map((c) => c.cell)) };
}
