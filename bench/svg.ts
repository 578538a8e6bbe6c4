/** Grouped bars as an SVG that reads well on light and dark pages. No dependency, no script. */

export interface Bar {
  readonly series: string;
  readonly value: number;
  readonly min?: number;
  readonly max?: number;
}

export interface BarChart {
  readonly title: string;
  readonly unit: string;
  readonly groups: readonly { readonly label: string; readonly bars: readonly Bar[] }[];
}

const width = 800;
const height = 320;
const margin = { top: 56, right: 16, bottom: 28, left: 64 };
/** Told apart by people who don't see red and green, and printed in grey. */
const colours = [
  ...['#8c8c8c', '#0072b2', '#e69f00', '#009e73'],
  ...['#56b4e9', '#cc79a7', '#d55e00', '#b0a000'],
];
/** Series that fit one line of the legend, and the height of a further line. */
const legendColumns = 4;
const legendLine = 16;
const text = '#767676';

export function groupedBars(chart: BarChart): string {
  const bars = chart.groups.flatMap((group) => group.bars);
  const series = [...new Set(bars.map((bar) => bar.series))];
  const top = niceCeiling(Math.max(...bars.map((bar) => bar.max ?? bar.value), 0));
  const lines = Math.max(1, Math.ceil(series.length / legendColumns));
  const topMargin = margin.top + (lines - 1) * legendLine;
  const innerHeight = height - topMargin - margin.bottom;
  const groupWidth = (width - margin.left - margin.right) / Math.max(1, chart.groups.length);
  const barWidth = (groupWidth * 0.8) / Math.max(1, series.length);
  const y = (value: number): number => topMargin + innerHeight * (1 - value / top);

  const drawn = chart.groups.flatMap((group, index) => {
    const left = margin.left + groupWidth * (index + 0.1);
    const shapes = group.bars.flatMap((bar) => {
      const place = series.indexOf(bar.series);
      return drawBar(bar, { x: left + place * barWidth, barWidth, y, colour: colourOf(place) });
    });
    const middle = margin.left + groupWidth * (index + 0.5);
    return [...shapes, label(middle, height - 10, group.label, 'middle')];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" font-family="sans-serif" font-size="12">`,
    `<title>${escapeText(chart.title)}</title>`,
    label(margin.left, 18, chart.title, 'start'),
    ...drawLegend(series),
    ...drawScale(top, chart.unit, y),
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

interface Place {
  readonly x: number;
  readonly barWidth: number;
  readonly y: (value: number) => number;
  readonly colour: string;
}

function drawBar(bar: Bar, { x, barWidth, y, colour }: Place): string[] {
  const tall = y(0) - y(bar.value);
  const about = `${bar.series}: ${short(bar.value)}`;
  const shape = `<rect x="${fixed(x)}" y="${fixed(y(bar.value))}" width="${fixed(barWidth * 0.92)}" height="${fixed(tall)}" fill="${colour}"><title>${escapeText(about)}</title></rect>`;
  const middle = x + barWidth * 0.46;
  const whisker =
    bar.min === undefined || bar.max === undefined
      ? []
      : [
          `<path d="M${fixed(middle)} ${fixed(y(bar.max))}V${fixed(y(bar.min))}" stroke="${text}" stroke-width="1.5"/>`,
        ];
  const above = y(Math.max(bar.value, bar.max ?? 0)) - 4;
  return [shape, ...whisker, label(middle, above, short(bar.value), 'middle')];
}

function drawScale(top: number, unit: string, y: (value: number) => number): string[] {
  const steps = [0, 0.25, 0.5, 0.75, 1].map((share) => share * top);
  return [
    label(margin.left - 8, y(top) - 10, unit, 'start'),
    ...steps.flatMap((value) => [
      `<path d="M${margin.left} ${fixed(y(value))}H${width - margin.right}" stroke="${text}" stroke-opacity="0.25"/>`,
      label(margin.left - 6, y(value) + 4, short(value), 'end'),
    ]),
  ];
}

function drawLegend(series: readonly string[]): string[] {
  const longest = Math.max(0, ...series.map((name) => name.length));
  const columns = Math.min(legendColumns, series.length);
  // Wide enough for the longest name where they fit, and never off the picture.
  const step = Math.min(
    (width - margin.right) / Math.max(1, columns),
    Math.max(130, longest * 6.5),
  );
  return series.flatMap((name, index) => {
    const x = width - margin.right - (columns - (index % columns)) * step;
    const y = 28 + Math.floor(index / columns) * legendLine;
    return [
      `<rect x="${fixed(x)}" y="${y}" width="10" height="10" fill="${colourOf(index)}"/>`,
      label(x + 15, y + 9, name, 'start'),
    ];
  });
}

function label(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}" fill="${text}">${escapeText(words)}</text>`;
}

function colourOf(index: number): string {
  return colours[index % colours.length] ?? text;
}

/** 1, 2, 2.5 or 5 times a power of ten, at least the value; 1 for nothing. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 2.5, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

function short(value: number): string {
  const [divided, unit] =
    value >= 1e6 ? [value / 1e6, 'M'] : value >= 1e4 ? [value / 1e3, 'k'] : [value, ''];
  return `${Number(divided.toPrecision(3))}${unit}`;
}

function fixed(value: number): string {
  return String(Number(value.toFixed(1)));
}

function escapeText(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
