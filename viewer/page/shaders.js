// GLSL programs: coloured points and triangles, lines of a width in pixels, images, and the shading
// of depth edges.

const APPEARANCE = `
uniform mat4 u_ground_world;     // to the ground frame
uniform vec3 u_low, u_step;      // of the positions of this piece
uniform sampler2D u_palette;     // 256x2: class colours with alpha 0 where hidden; ramp below
uniform int u_mode;
uniform float u_min_confidence;
uniform vec3 u_clip_low, u_clip_high;
uniform vec2 u_heights;
uniform int u_highlight;
in vec3 a_position;
in float a_label, a_confidence;
in vec3 a_colour;
in vec2 a_attributes;            // entropy, depth uncertainty: 0 where unknown
in float a_keyframe, a_error;

vec3 ramp(float x) {
  return texelFetch(u_palette, ivec2(int(clamp(x, 0., 1.) * 255.), 1), 0).rgb;
}
vec3 amount(float stored) {
  return stored < .5 ? vec3(.35) : ramp((stored - 1.) / 254.);
}
vec3 number_colour(float n) {
  if (n > 65534.) return vec3(.35);
  float hue = fract(n * .61803398875), light = .75 + .25 * fract(n * .381966);
  vec3 k = clamp(abs(fract(hue + vec3(0., 2. / 3., 1. / 3.)) * 6. - 3.) - 1., 0., 1.);
  return light * mix(vec3(1.), k, .65);
}
// The colour; alpha 0 where the point is not shown.
vec4 appearance(vec3 ground) {
  int label = int(a_label + .5);
  vec4 of_class = label == 255 ? vec4(.3, .3, .3, 1.) : texelFetch(u_palette, ivec2(label, 0), 0);
  bool shown = of_class.a > .5 && a_confidence >= u_min_confidence - .002
    && all(greaterThanEqual(ground, u_clip_low)) && all(lessThanEqual(ground, u_clip_high));
  vec3 c = a_colour;
  if (u_mode == 1) c = of_class.rgb;
  else if (u_mode == 2) c = ramp(a_confidence);
  else if (u_mode == 3) c = amount(a_attributes.x);
  else if (u_mode == 4) c = ramp((ground.z - u_heights.x) / max(u_heights.y - u_heights.x, .01));
  else if (u_mode == 5) c = amount(a_attributes.y);
  else if (u_mode == 6) c = number_colour(a_keyframe);
  else if (u_mode == 7) c = amount(a_error);
  if (u_highlight >= 0 && u_highlight != label) c = mix(vec3(dot(c, vec3(.3, .5, .2))), c, .15) * .45;
  return vec4(c, shown ? 1. : 0.);
}`;

export const POINTS = [`#version 300 es
precision highp float;
${APPEARANCE}
uniform mat4 u_view, u_projection;
uniform float u_pixels, u_spacing, u_scale;   // least size; metres between points; pixels per metre
uniform bool u_flat;                          // parallel projection
out vec3 v_colour;
out float v_size;
void main() {
  vec4 ground = u_ground_world * vec4(u_low + a_position * u_step, 1.);
  vec4 c = appearance(ground.xyz);
  v_colour = c.rgb;
  vec4 seen = u_view * ground;
  gl_Position = c.a > 0. ? u_projection * seen : vec4(2., 2., 2., 1.);
  float size = u_spacing * u_scale / (u_flat ? 1. : max(-seen.z, .02));
  gl_PointSize = v_size = clamp(max(size, u_pixels), 1., 32.);
}`, `#version 300 es
precision mediump float;
in vec3 v_colour;
in float v_size;
out vec4 o_colour;
void main() {
  // large points are round
  vec2 r = gl_PointCoord - .5;
  if (v_size > 4. && dot(r, r) > .25) discard;
  o_colour = vec4(v_colour, 1.);
}`];

const PLAIN = `#version 300 es
precision mediump float;
in vec3 v_colour;
out vec4 o_colour;
void main() { o_colour = vec4(v_colour, 1.); }`;

export const TRIANGLES = [`#version 300 es
precision highp float;
${APPEARANCE}
uniform mat4 u_view, u_projection;
in vec3 a_normal;
out vec3 v_colour;
out float v_shown;
void main() {
  vec4 ground = u_ground_world * vec4(u_low + a_position * u_step, 1.);
  vec4 c = appearance(ground.xyz);
  vec3 n = normalize(mat3(u_view) * mat3(u_ground_world) * a_normal);
  float light = .62 + .3 * abs(n.z) + .12 * n.y;
  v_colour = c.rgb * light;
  v_shown = c.a;
  gl_Position = u_projection * u_view * ground;
}`, `#version 300 es
precision mediump float;
in vec3 v_colour;
in float v_shown;
out vec4 o_colour;
void main() {
  if (v_shown < .99) discard;
  o_colour = vec4(v_colour, 1.);
}`];

export const LINES = [`#version 300 es
precision highp float;
uniform mat4 u_view_projection;
uniform vec2 u_viewport;
uniform float u_width;
uniform bool u_on_top;
in vec3 a_from, a_to, a_line_colour;
in vec2 a_corner;
out vec3 v_colour;
void main() {
  vec4 a = u_view_projection * vec4(a_from, 1.), b = u_view_projection * vec4(a_to, 1.);
  float near = 1e-3;
  if (a.w < near && b.w < near) { gl_Position = vec4(2., 2., 2., 1.); return; }
  if (a.w < near) a = mix(a, b, (near - a.w) / (b.w - a.w));
  if (b.w < near) b = mix(b, a, (near - b.w) / (a.w - b.w));
  vec2 along = (b.xy / b.w - a.xy / a.w) * u_viewport;
  along = dot(along, along) < 1e-9 ? vec2(1., 0.) : normalize(along);
  vec4 p = mix(a, b, a_corner.x);
  p.xy += vec2(-along.y, along.x) * a_corner.y * u_width / u_viewport * p.w;
  if (u_on_top) p.z = -.9999 * p.w;    // nearest, so that nothing darkens it
  gl_Position = p;
  v_colour = a_line_colour;
}`, PLAIN];

export const PICTURE = [`#version 300 es
precision highp float;
uniform mat4 u_view_projection;
uniform vec3 u_corner, u_across, u_down;
in vec2 a_corner;
out vec2 v_uv;
void main() {
  v_uv = a_corner;
  gl_Position = u_view_projection * vec4(u_corner + a_corner.x * u_across + a_corner.y * u_down, 1.);
}`, `#version 300 es
precision mediump float;
uniform sampler2D u_image;
in vec2 v_uv;
out vec4 o_colour;
void main() { o_colour = texture(u_image, v_uv); }`];

// Eye-dome lighting (Boucheny 2009): a pixel is the darker the nearer its neighbours are.  Gaps between
// points are closed: background with points nearby in opposite directions takes the farthest's colour.
export const SHADING = [`#version 300 es
in vec2 a_corner;
out vec2 v_uv;
void main() { v_uv = a_corner; gl_Position = vec4(a_corner * 2. - 1., 0., 1.); }`,
`#version 300 es
precision highp float;
uniform sampler2D u_colour, u_depth;
uniform vec2 u_pixel, u_range;
uniform float u_strength;
uniform int u_reach;             // of what closes gaps, pixels
uniform bool u_flat;
uniform vec3 u_background_low, u_background_high;
in vec2 v_uv;
out vec4 o_colour;
float distance_log(vec2 uv) {
  float d = texture(u_depth, uv).r;
  float z = u_flat ? u_range.x + d * (u_range.y - u_range.x)
    : u_range.x * u_range.y / (u_range.y - d * (u_range.y - u_range.x));
  return u_flat ? z * .35 : log2(z);
}
vec4 closed() {
  vec3 colour = vec3(0.);
  float farthest = 0.;
  int pairs = 0;
  for (int k = 0; k < 4; k++) {
    vec2 way = u_pixel * (k == 0 ? vec2(1., 0.) : k == 1 ? vec2(0., 1.) : vec2(1., float(5 - 2 * k)));
    int sides = 0;
    for (float side = -1.; side < 2.; side += 2.)
      for (int n = 1; n <= u_reach; n++) {
        vec2 uv = v_uv + side * float(n) * way;
        float d = texture(u_depth, uv).r;
        if (d >= 1.) continue;
        if (d > farthest) { farthest = d; colour = texture(u_colour, uv).rgb; }
        sides++;
        break;
      }
    if (sides == 2) pairs++;
  }
  return vec4(colour, pairs > 2 ? 1. : 0.);
}
void main() {
  float d = texture(u_depth, v_uv).r;
  vec3 background = mix(u_background_low, u_background_high, v_uv.y);
  if (d >= 1.) {
    vec4 found = u_reach > 0 ? closed() : vec4(0.);
    o_colour = vec4(mix(background, found.rgb, found.a), 1.);
    return;
  }
  float light = 1.;
  if (u_strength > 0.) {
    float own = distance_log(v_uv), sum = 0.;
    vec2 r = 1.5 * u_pixel;
    sum += max(0., own - distance_log(v_uv + vec2(r.x, 0.)));
    sum += max(0., own - distance_log(v_uv - vec2(r.x, 0.)));
    sum += max(0., own - distance_log(v_uv + vec2(0., r.y)));
    sum += max(0., own - distance_log(v_uv - vec2(0., r.y)));
    light = exp(-u_strength * min(sum, 1.2));
  }
  o_colour = vec4(texture(u_colour, v_uv).rgb * light, 1.);
}`];
