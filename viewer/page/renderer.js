// Draws the map with WebGL 2. Detail follows what a piece of the map is on the screen and how fast
// this machine draws; when nothing moves everything is drawn once.
import { coarsest, merged, setAttributes } from "./blocks.js";
import { LINES, PICTURE, POINTS, SHADING, TRIANGLES } from "./shaders.js";
import { clamp, multiplied, ofRows } from "./maths.js";

const RECORD_BYTES = 12, ATTRIBUTE_BYTES = 8, NORMAL_BYTES = 4;
// Milliseconds of a frame above which less is drawn, and below which more is, while things move.
const SLOW_MS = 40, FAST_MS = 24;
const LEAST_BUDGET = 20000, MOST_BUDGET = 4e6;
// Points nearer to each other than this on the screen, in pixels, are left out.
const LEAST_PIXELS = 1.1;
// Triangles with shorter edges than this on the screen, in pixels, are drawn in coarser ones; at most
// so long ones while things move.
const LEAST_EDGE = 2.5, MOST_EDGE = 40;
// Pieces in a cube of this edge (metres) are drawn together: thousands of calls a frame are slow.
const GROUP_EDGE = 5;
// A group holds ever larger samples of its points, each ROOT times the one before.
const LEVELS = 15, ROOT = Math.SQRT2;
// Milliseconds between two times that groups that changed are put together again.
const GATHER_MS = 350;
// Gaps between points are closed over so many pixels, when nothing moves.
const REACH = 4;
// Share of the resolution, in both directions, while a slow machine moves.
const COARSE = 0.6;

function program(gl, [vertex, fragment]) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS))
      throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  const uniforms = {}, attributes = {};
  for (let i = 0; i < gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS); i++) {
    const { name } = gl.getActiveUniform(made, i);
    uniforms[name] = gl.getUniformLocation(made, name);
  }
  for (let i = 0; i < gl.getProgramParameter(made, gl.ACTIVE_ATTRIBUTES); i++) {
    const { name } = gl.getActiveAttrib(made, i);
    attributes[name] = gl.getAttribLocation(made, name);
  }
  return { program: made, uniforms, attributes };
}

// The cube of space that the middle of a piece is in.
const cellOf = (low, step) => low.map((v, i) => Math.floor((v + 32767 * step[i]) / GROUP_EDGE))
  .join();

function joinGroup(groups, cell, piece) {
  if (!groups.has(cell)) groups.set(cell, { pieces: new Set() });
  groups.get(cell).pieces.add(piece);
}

export class Renderer {
  constructor(canvas) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false,
      powerPreference: "high-performance", preserveDrawingBuffer: true });
    if (!gl) throw new Error("This browser has no WebGL 2. Use a recent Chrome, Firefox or Safari.");
    this.gl = gl;
    this._points = program(gl, POINTS);
    this._triangles = program(gl, TRIANGLES);
    this._lines = program(gl, LINES);
    this._picture = program(gl, PICTURE);
    this._shading = program(gl, SHADING);
    this._pieces = new Map();
    this._clusters = new Map();
    this._gatheredAt = 0;
    this._meshes = new Map();
    // by cube of space: the meshes there, and the coarsest triangles of all of them
    this._blocks = new Map();
    this._groups = new Map();
    this._image = null;
    this._palette = gl.createTexture();
    this._paletteData = new Uint8Array(2 * 256 * 4).fill(255);
    this._corners = this._buffer(new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]));
    this._budget = 300000;
    this._lastFrame = 0;
    this.drawn = 0;
    this.fps = 0;
    // whether this machine is so slow that it draws fewer pixels while things move
    this.coarse = false;
    this._target = null;
  }

  get loaded() {
    let sum = 0;
    for (const piece of this._pieces.values()) sum += piece.count;
    return sum;
  }

  // Some points of the map, spread over it, in the ground frame.
  sample(T) {
    const found = [];
    for (const { records, count, low, step } of this._pieces.values()) {
      const numbers = new Uint16Array(records.buffer), every = Math.max(1, Math.floor(count
        / (1 + 1500 / this._pieces.size)));
      for (let n = 0; n < count; n += every) {
        const p = [0, 1, 2].map((i) => low[i] + numbers[6 * n + i] * step[i]);
        found.push([0, 1, 2].map((i) => T[i][0] * p[0] + T[i][1] * p[1] + T[i][2] * p[2]
          + T[i][3]));
      }
    }
    return found;
  }

  // --- what is drawn ------------------------------------------------------------------

  setPalette(colours, ramp) {
    const { gl } = this;
    colours.forEach(([r, g, b, shown], n) => this._paletteData.set([r, g, b, shown ? 255 : 0],
      4 * n));
    ramp.forEach(([r, g, b], n) => this._paletteData.set([r, g, b, 255], 4 * (256 + n)));
    gl.bindTexture(gl.TEXTURE_2D, this._palette);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 2, 0, gl.RGBA, gl.UNSIGNED_BYTE,
      this._paletteData);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }

  addPoints({ key, first, total, low, step, records }) {
    let piece = this._pieces.get(key);
    if (first === 0) {
      this.removePoints([key]);
      const cell = cellOf(low, step);
      piece = { total, count: 0, low, step, cell, records: new Uint8Array(total * RECORD_BYTES),
        attributes: null };
      this._pieces.set(key, piece);
      joinGroup(this._clusters, cell, piece);
    }
    if (!piece) return;
    piece.records.set(records, first * RECORD_BYTES);
    piece.count = first + records.length / RECORD_BYTES;
    this._clusters.get(piece.cell).changed = true;
  }

  setAttributes({ key, records }) {
    const piece = this._pieces.get(key);
    if (!piece) return;
    piece.attributes = records.slice();
    this._clusters.get(piece.cell).changed = true;
  }

  removePoints(keys) {
    for (const key of keys) {
      const piece = this._pieces.get(key);
      if (!piece) continue;
      this._pieces.delete(key);
      const cluster = this._clusters.get(piece.cell);
      cluster.pieces.delete(piece);
      cluster.changed = true;
    }
  }

  // Puts groups that changed together again; whether some are left for later.
  gather(now, atOnce = false) {
    const changed = [[this._clusters, (cluster) => this._fill(cluster)],
      [this._blocks, (block) => this._fillBlock(block)]].flatMap(([groups, fill]) =>
      [...groups].filter(([, group]) => group.changed).map(([cell, group]) =>
        ({ groups, fill, cell, group })));
    if (!changed.length) return false;
    if (!atOnce && now - this._gatheredAt < GATHER_MS) return true;
    this._gatheredAt = now;
    for (const { groups, fill, cell, group } of changed) {
      this._free(group);
      if (group.pieces.size) fill(group);
      else groups.delete(cell);
    }
    return false;
  }

  // One buffer of the points of all pieces of a group, in steps of their common box. `ends`: how
  // many points each sample has, the smallest sample first.
  _fill(cluster) {
    const pieces = [...cluster.pieces].filter((piece) => piece.count);
    const low = [0, 1, 2].map((i) => Math.min(...pieces.map((p) => p.low[i])));
    const high = [0, 1, 2].map((i) => Math.max(...pieces.map((p) => p.low[i] + 65535 * p.step[i])));
    const step = low.map((v, i) => Math.max(high[i] - v, 1e-6) / 65535);
    const count = pieces.reduce((sum, piece) => sum + piece.count, 0);
    const records = new Uint16Array(count * 6), attributes = new Uint32Array(2 * count);
    const sources = pieces.map((p) => [new Uint16Array(p.records.buffer), p.attributes
      && new Uint32Array(p.attributes.buffer, p.attributes.byteOffset, p.attributes.length >> 2)]);
    const taken = pieces.map(() => 0), ends = [];
    let to = 0;
    for (let level = LEVELS - 1; level >= 0; level--) {
      pieces.forEach((piece, n) => {
        const [source, extra] = sources[n], end = Math.ceil(piece.count / ROOT ** level);
        const offset = [0, 1, 2].map((i) => (piece.low[i] - low[i]) / step[i] + 0.5),
          factor = [0, 1, 2].map((i) => piece.step[i] / step[i]);
        for (let at = taken[n]; at < end; at++, to++) {
          for (let i = 0; i < 3; i++)
            records[6 * to + i] = source[6 * at + i] * factor[i] + offset[i];
          for (let i = 3; i < 6; i++) records[6 * to + i] = source[6 * at + i];
          if (!extra || 2 * at >= extra.length) continue;
          attributes[2 * to] = extra[2 * at];
          attributes[2 * to + 1] = extra[2 * at + 1];
        }
        taken[n] = Math.max(taken[n], end);
      });
      ends.push(to);
    }
    Object.assign(cluster, { changed: false, low, step, ends, count, low3: low, high3: high,
      total: pieces.reduce((sum, piece) => sum + piece.total, 0),
      records: this._buffer(records), attributes: this._buffer(attributes) });
    cluster.vao = this._appearanceArrays(this._points, cluster);
  }

  addMesh({ key, low, step, records, normals, triangles, counts, cells }) {
    this.removeMeshes([key]);
    if (!triangles.length) return;
    const high = low.map((v, i) => v + 65535 * step[i]);
    const mesh = { counts, cells, low3: low, high3: high, cell: cellOf(low, step),
      coarsest: coarsest({ low, step, records, normals, triangles, counts, cells }) };
    this._loadMesh(mesh, { low, step, records, normals, triangles, attributes:
      new Uint8Array(records.length / RECORD_BYTES * ATTRIBUTE_BYTES) });
    this._meshes.set(key, mesh);
    joinGroup(this._blocks, mesh.cell, mesh);
    this._blocks.get(mesh.cell).changed = true;
  }

  // The buffers of a mesh.
  _loadMesh(mesh, { low, step, records, normals, attributes, triangles }) {
    const { gl } = this;
    Object.assign(mesh, { low, step, bytes: triangles.BYTES_PER_ELEMENT,
      type: triangles.BYTES_PER_ELEMENT === 2 ? gl.UNSIGNED_SHORT : gl.UNSIGNED_INT,
      records: this._buffer(records), normals: this._buffer(normals),
      attributes: this._buffer(attributes), indices: gl.createBuffer() });
    mesh.vao = this._appearanceArrays(this._triangles, mesh);
    gl.bindVertexArray(mesh.vao);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, mesh.indices);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
  }

  _fillBlock(block) {
    const whole = merged([...block.pieces].map((mesh) => mesh.coarsest));
    Object.assign(block, { changed: false, low3: whole.low3, high3: whole.high3,
      coarse: whole.cell, count: whole.triangles.length });
    this._loadMesh(block, whole);
  }

  setMeshAttributes({ key, records }) {
    const { gl } = this, mesh = this._meshes.get(key);
    if (!mesh) return;
    gl.bindBuffer(gl.ARRAY_BUFFER, mesh.attributes);
    gl.bufferData(gl.ARRAY_BUFFER, records, gl.STATIC_DRAW);
    setAttributes(mesh.coarsest, records);
    this._blocks.get(mesh.cell).changed = true;
  }

  removeMeshes(keys) {
    for (const key of keys) {
      const mesh = this._meshes.get(key);
      if (!mesh) continue;
      this._free(mesh);
      this._meshes.delete(key);
      const block = this._blocks.get(mesh.cell);
      block.pieces.delete(mesh);
      block.changed = true;
    }
  }

  clear() {
    this.removePoints([...this._pieces.keys()]);
    this.removeMeshes([...this._meshes.keys()]);
  }

  // Lines [[from, to], ...] flat: nine numbers each, with a colour of 0..1.
  setLines(name, numbers, width = 2, onTop = false) {
    const { gl } = this, old = this._groups.get(name);
    if (old) { gl.deleteBuffer(old.buffer); gl.deleteVertexArray(old.vao); }
    this._groups.delete(name);
    if (!numbers || !numbers.length) return;
    // two triangles each: instances are slow where they are drawn in software
    const count = numbers.length / 9, all = new Float32Array(count * 6 * 11);
    for (let n = 0, to = 0; n < count; n++)
      for (const [end, side] of [[0, -1], [1, -1], [0, 1], [0, 1], [1, -1], [1, 1]]) {
        for (let i = 0; i < 9; i++) all[to++] = numbers[9 * n + i];
        all[to++] = end;
        all[to++] = side;
      }
    const group = { buffer: this._buffer(all), width, onTop, count: 6 * count,
      vao: gl.createVertexArray() };
    const { attributes } = this._lines;
    gl.bindVertexArray(group.vao);
    gl.bindBuffer(gl.ARRAY_BUFFER, group.buffer);
    [["a_from", 3, 0], ["a_to", 3, 12], ["a_line_colour", 3, 24], ["a_corner", 2, 36]].forEach(
      ([attribute, size, offset]) => {
        gl.enableVertexAttribArray(attributes[attribute]);
        gl.vertexAttribPointer(attributes[attribute], size, gl.FLOAT, false, 44, offset);
      });
    gl.bindVertexArray(null);
    this._groups.set(name, group);
  }

  // An image in space: its corner, and the edges from there.
  setImage(source, corner, across, down) {
    const { gl } = this;
    if (this._image) { gl.deleteTexture(this._image.texture); this._image = null; }
    if (!source) return;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, source);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T])
      gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    this._image = { texture, corner, across, down };
  }

  // --- drawing ------------------------------------------------------------------------

  // Draws a frame. `moving`: whether another follows at once, so that it must be fast.
  draw(camera, look, moving) {
    const { gl, canvas } = this, now = performance.now();
    if (moving && now - this._lastFrame < 1000) this._adapt(now - this._lastFrame);
    this._lastFrame = now;
    this.gather(now);
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio)),
      height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const part = moving && this.coarse ? COARSE : 1;
    const across = Math.round(part * width), down = Math.round(part * height);
    this._prepareTarget(across, down);
    const eye = camera.matrices(across, down);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this._target.framebuffer);
    gl.viewport(0, 0, across, down);
    gl.clearColor(0, 0, 0, 1);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const hasMesh = look.surface && this._meshes.size > 0;
    this.drawn = 0;
    if (hasMesh) this._drawTriangles(eye, look, camera, ratio * part, moving);
    if (look.points && !hasMesh) this._drawPoints(eye, look, camera, ratio * part, moving);
    this._drawImage(eye);
    this._drawLines(eye, look, across, down, ratio * part);
    const reach = look.fill && look.points && !hasMesh && !moving ? Math.round(REACH * ratio) : 0;
    this._shade(eye, look, camera, width, height, reach);
  }

  get budget() { return this._budget; }

  _adapt(spent) {
    this.fps = this.fps ? 0.9 * this.fps + 100 / spent : 1000 / spent;
    // towards what this machine can do; the first frame after a rest says nothing
    if (spent > SLOW_MS) this._budget *= 0.85;
    else if (spent < FAST_MS) this._budget *= 1.06;
    this._budget = clamp(this._budget, LEAST_BUDGET, MOST_BUDGET);
    if (this._budget < 1.5 * LEAST_BUDGET) this.coarse = true;
    else if (this._budget > 10 * LEAST_BUDGET) this.coarse = false;
  }

  _drawPoints(eye, look, camera, ratio, moving) {
    const { gl } = this, { uniforms } = this._points;
    this._useAppearance(this._points, eye, look);
    gl.uniform1f(uniforms.u_pixels, look.pointSize * ratio);
    gl.uniform1f(uniforms.u_scale, eye.pixelsPerMetre);
    gl.uniform1i(uniforms.u_flat, camera.orthographic ? 1 : 0);
    const seen = [];
    let wanted = 0;
    const toClip = multiplied(multiplied(eye.projection, eye.view), ofRows(look.T_ground_world));
    for (const piece of this._clusters.values()) {
      if (!piece.vao || !this._isSeen(piece, toClip)) continue;
      const far = camera.orthographic ? 1 : this._nearest(piece, eye.eye, look.T_ground_world);
      const pixels = look.spacing * eye.pixelsPerMetre / Math.max(far, 0.3) / ratio;
      const share = Math.min(1, (pixels / LEAST_PIXELS) ** 2);
      seen.push([piece, share]);
      wanted += share * piece.count;
    }
    const factor = Math.min(1, (moving ? this._budget : 2 * MOST_BUDGET) / Math.max(wanted, 1));
    for (const [piece, share] of seen) {
      const goal = piece.count * share * factor;
      const count = piece.ends.find((end) => end >= goal) ?? piece.count;
      const grown = Math.sqrt(piece.total / count);
      gl.uniform3fv(uniforms.u_low, piece.low);
      gl.uniform3fv(uniforms.u_step, piece.step);
      gl.uniform1f(uniforms.u_spacing,
        look.fill ? 1.7 * look.spacing * Math.min(grown, 6) : 0);
      gl.bindVertexArray(piece.vao);
      gl.drawArrays(gl.POINTS, 0, count);
      this.drawn += count;
    }
    gl.bindVertexArray(null);
  }

  // Each piece in the coarsest triangles that are small on the screen, those of a whole block at once;
  // while a slow machine moves, in coarser ones.
  _drawTriangles(eye, look, camera, ratio, moving) {
    const { gl } = this, { uniforms } = this._triangles;
    this._useAppearance(this._triangles, eye, look);
    const toClip = multiplied(multiplied(eye.projection, eye.view), ofRows(look.T_ground_world));
    const pixelsOf = (box) => eye.pixelsPerMetre / ratio / (camera.orthographic ? 1
      : Math.max(this._nearest(box, eye.eye, look.T_ground_world), 0.3));
    const seen = [];
    for (const block of this._blocks.values()) {
      const waits = !block.vao || block.changed;
      if (!waits && !this._isSeen(block, toClip)) continue;
      const meshes = [...block.pieces].filter((mesh) => this._isSeen(mesh, toClip));
      seen.push({ block, pixels: waits ? Infinity : pixelsOf(block),
        meshes: meshes.map((mesh) => [mesh, pixelsOf(mesh)]) });
    }
    const isCoarse = ({ block, pixels }, least) => block.coarse * pixels <= least;
    const levelOf = (mesh, pixels, least) => Math.max(0,
      mesh.cells.findLastIndex((cell) => cell * pixels <= least));
    const wanted = (least) => seen.reduce((sum, one) => sum + (isCoarse(one, least)
      ? one.block.count : one.meshes.reduce((part, [mesh, pixels]) =>
        part + mesh.counts[levelOf(mesh, pixels, least)], 0)) / 3, 0);
    let least = LEAST_EDGE;
    while (moving && least < MOST_EDGE && wanted(least) > this._budget) least *= 1.5;
    const draw = (mesh, count, first) => {
      gl.uniform3fv(uniforms.u_low, mesh.low);
      gl.uniform3fv(uniforms.u_step, mesh.step);
      gl.bindVertexArray(mesh.vao);
      gl.drawElements(gl.TRIANGLES, count, mesh.type, first * mesh.bytes);
      this.drawn += count / 3;
    };
    for (const one of seen) {
      if (isCoarse(one, least)) draw(one.block, one.block.count, 0);
      else for (const [mesh, pixels] of one.meshes) {
        const level = levelOf(mesh, pixels, least);
        draw(mesh, mesh.counts[level], mesh.counts.slice(0, level).reduce((sum, n) => sum + n, 0));
      }
    }
    gl.bindVertexArray(null);
  }

  _useAppearance({ program: used, uniforms }, eye, look) {
    const { gl } = this;
    gl.useProgram(used);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this._palette);
    gl.uniform1i(uniforms.u_palette, 0);
    gl.uniformMatrix4fv(uniforms.u_view, false, eye.view);
    gl.uniformMatrix4fv(uniforms.u_projection, false, eye.projection);
    gl.uniformMatrix4fv(uniforms.u_ground_world, false, ofRows(look.T_ground_world));
    gl.uniform1i(uniforms.u_mode, look.mode);
    gl.uniform1f(uniforms.u_min_confidence, look.minConfidence);
    gl.uniform3fv(uniforms.u_clip_low, look.clipLow);
    gl.uniform3fv(uniforms.u_clip_high, look.clipHigh);
    gl.uniform2fv(uniforms.u_heights, look.heights);
    gl.uniform1i(uniforms.u_highlight, look.highlight);
  }

  _drawLines(eye, look, width, height, ratio) {
    const { gl } = this, { uniforms, program: used } = this._lines;
    gl.useProgram(used);
    gl.uniformMatrix4fv(uniforms.u_view_projection, false, multiplied(eye.projection, eye.view));
    gl.uniform2f(uniforms.u_viewport, width, height);
    for (const [name, group] of this._groups) {
      if (look.hiddenLines.includes(name)) continue;
      gl.depthFunc(group.onTop ? gl.ALWAYS : gl.LEQUAL);
      gl.uniform1i(uniforms.u_on_top, group.onTop ? 1 : 0);
      gl.uniform1f(uniforms.u_width, group.width * ratio);
      gl.bindVertexArray(group.vao);
      gl.drawArrays(gl.TRIANGLES, 0, group.count);
    }
    gl.bindVertexArray(null);
    gl.depthFunc(gl.LEQUAL);
  }

  _drawImage(eye) {
    if (!this._image) return;
    const { gl } = this, { uniforms, attributes, program: used } = this._picture;
    gl.useProgram(used);
    gl.uniformMatrix4fv(uniforms.u_view_projection, false, multiplied(eye.projection, eye.view));
    gl.uniform3fv(uniforms.u_corner, this._image.corner);
    gl.uniform3fv(uniforms.u_across, this._image.across);
    gl.uniform3fv(uniforms.u_down, this._image.down);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this._image.texture);
    gl.uniform1i(uniforms.u_image, 0);
    this._drawSquare(attributes);
  }

  _shade(eye, look, camera, width, height, reach) {
    const { gl } = this, { uniforms, attributes, program: used } = this._shading;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, width, height);
    gl.disable(gl.DEPTH_TEST);
    gl.useProgram(used);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this._target.colour);
    gl.uniform1i(uniforms.u_colour, 0);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this._target.depth);
    gl.uniform1i(uniforms.u_depth, 1);
    gl.uniform2f(uniforms.u_pixel, 1 / this._target.width, 1 / this._target.height);
    gl.uniform2f(uniforms.u_range, eye.near, eye.far);
    gl.uniform1i(uniforms.u_flat, camera.orthographic ? 1 : 0);
    gl.uniform1f(uniforms.u_strength, look.shading ? 3.2 : 0);
    gl.uniform1i(uniforms.u_reach, reach);
    gl.uniform3fv(uniforms.u_background_low, look.background[0]);
    gl.uniform3fv(uniforms.u_background_high, look.background[1]);
    this._drawSquare(attributes);
    gl.activeTexture(gl.TEXTURE0);
  }

  _drawSquare(attributes) {
    const { gl } = this;
    gl.bindVertexArray(null);
    gl.bindBuffer(gl.ARRAY_BUFFER, this._corners);
    gl.enableVertexAttribArray(attributes.a_corner);
    gl.vertexAttribPointer(attributes.a_corner, 2, gl.FLOAT, false, 0, 0);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    gl.disableVertexAttribArray(attributes.a_corner);
  }

  // --- parts --------------------------------------------------------------------------

  _isSeen(piece, toClip) {
    let left = 0, right = 0, below = 0, above = 0, behind = 0;
    for (let n = 0; n < 8; n++) {
      const p = [0, 1, 2].map((i) => (n >> i & 1 ? piece.high3 : piece.low3)[i]);
      const c = [0, 1, 2, 3].map((r) => toClip[r] * p[0] + toClip[4 + r] * p[1]
        + toClip[8 + r] * p[2] + toClip[12 + r]);
      left += c[0] < -c[3]; right += c[0] > c[3]; below += c[1] < -c[3];
      above += c[1] > c[3]; behind += c[3] < 0;
    }
    return left < 8 && right < 8 && below < 8 && above < 8 && behind < 8;
  }

  _nearest(piece, eye, T) {
    let sum = 0;
    for (let j = 0; j < 3; j++) {
      // the eye in the world frame
      let x = 0;
      for (let i = 0; i < 3; i++) x += T[i][j] * (eye[i] - T[i][3]);
      sum += Math.max(piece.low3[j] - x, 0, x - piece.high3[j]) ** 2;
    }
    return Math.sqrt(sum);
  }

  _appearanceArrays({ attributes }, piece) {
    const { gl } = this, vao = gl.createVertexArray();
    const bind = (name, buffer, size, type, normalised, stride, offset) => {
      const at = attributes[name];
      if (at === undefined || at < 0) return;
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, type, normalised, stride, offset);
    };
    gl.bindVertexArray(vao);
    bind("a_position", piece.records, 3, gl.UNSIGNED_SHORT, false, RECORD_BYTES, 0);
    bind("a_label", piece.records, 1, gl.UNSIGNED_BYTE, false, RECORD_BYTES, 6);
    bind("a_confidence", piece.records, 1, gl.UNSIGNED_BYTE, true, RECORD_BYTES, 7);
    bind("a_colour", piece.records, 3, gl.UNSIGNED_BYTE, true, RECORD_BYTES, 8);
    bind("a_attributes", piece.attributes, 2, gl.UNSIGNED_BYTE, false, ATTRIBUTE_BYTES, 0);
    bind("a_keyframe", piece.attributes, 1, gl.UNSIGNED_SHORT, false, ATTRIBUTE_BYTES, 2);
    bind("a_error", piece.attributes, 1, gl.UNSIGNED_BYTE, false, ATTRIBUTE_BYTES, 4);
    if (piece.normals) bind("a_normal", piece.normals, 3, gl.BYTE, true, NORMAL_BYTES, 0);
    gl.bindVertexArray(null);
    return vao;
  }

  _prepareTarget(width, height) {
    const { gl } = this;
    if (this._target && this._target.width === width && this._target.height === height) return;
    if (this._target) {
      gl.deleteTexture(this._target.colour);
      gl.deleteTexture(this._target.depth);
      gl.deleteFramebuffer(this._target.framebuffer);
    }
    const texture = (inner, format, type) => {
      const made = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, made);
      gl.texImage2D(gl.TEXTURE_2D, 0, inner, width, height, 0, format, type, null);
      for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
        gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
      for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T])
        gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
      return made;
    };
    const colour = texture(gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE),
      depth = texture(gl.DEPTH_COMPONENT24, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT),
      framebuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, colour, 0);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, depth, 0);
    this._target = { width, height, colour, depth, framebuffer };
  }

  _buffer(data) {
    const { gl } = this, buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    return buffer;
  }

  _free(piece) {
    const { gl } = this;
    for (const name of ["records", "attributes", "normals", "indices"])
      if (piece[name]) gl.deleteBuffer(piece[name]);
    if (piece.vao) gl.deleteVertexArray(piece.vao);
    piece.vao = null;
  }
}
