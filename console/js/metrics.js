// Prometheus text, read in the page: samples by name, sums over labels, rates and quantiles between two readings.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Samples by metric name: `{labels, value}`. */
export function parse(text) {
  const metrics = new Map();
  for (const line of text.split('\n')) {
    const found = line.startsWith('#') ? null : LINE.exec(line.trim());
    if (!found) continue;
    const labels = Object.fromEntries([...(found[2] ?? '').matchAll(LABEL)].map(([, name, value]) => [name, value.replace(/\\(.)/g, '$1')]));
    const value = Number(found[3].replace('+Inf', 'Infinity'));
    if (!metrics.has(found[1])) metrics.set(found[1], []);
    metrics.get(found[1]).push({ labels, value });
  }
  return metrics;
}

const matches = (labels, wanted) => Object.entries(wanted).every(([name, value]) =>
  (value instanceof RegExp ? value.test(labels[name] ?? '') : labels[name] === value));

/** Samples of `name` whose labels have the wanted values (texts, or regular expressions). */
export const samples = (metrics, name, wanted = {}) => (metrics.get(name) ?? []).filter(({ labels }) => matches(labels, wanted));

/** The sum over them; undefined without any. */
export function sum(metrics, name, wanted) {
  const found = samples(metrics, name, wanted);
  return found.length === 0 ? undefined : found.reduce((total, { value }) => total + value, 0);
}

/** How much a counter grew a second; a restart of the server counts as zero. */
export function rate(before, after, seconds, name, wanted) {
  return Math.max(0, (sum(after, name, wanted) ?? 0) - (sum(before, name, wanted) ?? 0)) / seconds;
}

/** The `share` quantile of what a histogram counted between two readings, interpolated inside its bucket; null without any. */
export function quantile(before, after, name, wanted, share) {
  const counts = new Map();
  for (const [metrics, sign] of [[after, 1], [before, -1]]) {
    for (const { labels, value } of samples(metrics, `${name}_bucket`, wanted)) {
      const bound = Number(labels.le.replace('+Inf', 'Infinity'));
      counts.set(bound, (counts.get(bound) ?? 0) + sign * value);
    }
  }
  const bounds = [...counts.keys()].sort((a, b) => a - b);
  const total = counts.get(bounds.at(-1)) ?? 0;
  if (total <= 0) return null;
  let [low, below] = [0, 0];
  for (const bound of bounds) {
    const upTo = counts.get(bound);
    if (upTo >= share * total) {
      if (bound === Infinity) return low;
      return low + ((bound - low) * (share * total - below)) / Math.max(1e-9, upTo - below);
    }
    [low, below] = [bound, upTo];
  }
  return low;
}
