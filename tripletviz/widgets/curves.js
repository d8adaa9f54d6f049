// What pictures of training curves share: axes, lines, numbers.

// The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `value`.
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 2.5, 5, 10].find((step) => step * power >= value * (1 - 1e-9));
  return Number((factor * power).toPrecision(3));
}

// Where an axis begins and ends. A loss and a share begin at 0: a slope then looks as steep as it
// is. R@1 lies near 1 even before training; its axis begins where something happens.
export function rangeOf(values, near) {
  const known = values.filter((value) => value !== null);
  if (near) {
    const low = Math.min(...known, 0.95);
    return [Number((Math.floor(low * 20 + 1e-9) / 20).toFixed(2)), 1];
  }
  const low = Math.min(0, ...known);
  return [low < 0 ? -roundUp(-low) : 0, roundUp(Math.max(0, ...known))];
}

// Index of the step nearest to `wanted`, or -1 without steps.
export function nearestIndex(steps, wanted) {
  let best = -1;
  for (let i = 0; i < steps.length; i += 1) {
    if (best < 0 || Math.abs(steps[i] - wanted) < Math.abs(steps[best] - wanted)) best = i;
  }
  return best;
}

// The path through the points that are known; a gap lifts the pen, a point alone is a dot.
export function linePath(xs, ys) {
  let path = "";
  let down = false;
  for (let i = 0; i < xs.length; i += 1) {
    if (ys[i] === null) {
      down = false;
      continue;
    }
    const alone = !down && (ys[i + 1] ?? null) === null;
    const place = `${xs[i].toFixed(1)} ${ys[i].toFixed(1)}`;
    path += alone ? `M${place}h0` : `${down ? "L" : "M"}${place}`;
    down = true;
  }
  return path;
}

export const counted = (number) => number.toLocaleString("en-US");
export const tickText = (value) =>
  value && Math.abs(value) < 0.001 ? value.toExponential() : String(Number(value.toPrecision(3)));
