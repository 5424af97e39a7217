// Small line charts over the last minutes, drawn by uPlot (vendor/uplot.js), which is loaded with the first chart.

import { el, fill } from './dom.js';

const POINTS = 150;
const HEIGHT = 96;
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A chart with `lines` (`{label, color}`, a color variable's name) and `format` for its numbers. `push(seconds, values)` adds a
 *  point; the latest values stand beside the title as text. */
export function chart(title, lines, format, signal) {
  const data = [[], ...lines.map(() => [])];
  const plot = el('div', { class: 'plot', 'aria-hidden': 'true' });
  const latest = el('span', { class: 'latest' });
  const node = el('figure', { class: 'chart' }, el('figcaption', {}, el('span', {}, title), latest), plot);
  let drawn = null;

  const build = async () => {
    const { default: Plot } = await import('../vendor/uplot.js');
    drawn?.destroy();
    const axis = { stroke: color('--dim'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui', size: 40 };
    const series = lines.map((line) => ({ label: line.label, stroke: color(line.color), width: 1.5, points: { show: false } }));
    drawn = new Plot({
      width: plot.clientWidth || 240, height: HEIGHT, legend: { show: false }, cursor: { show: false }, padding: [6, 4, 6, 0],
      axes: [{ show: false }, { ...axis, values: (_, ticks) => ticks.map(format) }],
      scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1e-6)] } },
      series: [{}, ...series],
    }, data, plot);
  };
  const resize = new ResizeObserver(() => drawn?.setSize({ width: plot.clientWidth, height: HEIGHT }));
  resize.observe(plot);
  document.addEventListener('themechange', build, { signal });
  signal.addEventListener('abort', () => { resize.disconnect(); drawn?.destroy(); drawn = null; });
  build().catch(() => fill(plot));

  const push = (seconds, values) => {
    [seconds, ...values].forEach((value, n) => {
      data[n].push(value);
      if (data[n].length > POINTS) data[n].shift();
    });
    drawn?.setData(data);
    fill(latest, lines.map((line, n) =>
      el('span', {}, el('i', { class: `swatch ${line.color.slice(2)}` }), `${line.label} `, el('b', {}, values[n] === null ? '–' : format(values[n])))));
  };
  return { node, push };
}
