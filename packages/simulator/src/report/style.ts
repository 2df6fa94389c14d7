/** Twelve colours that are distinguishable on white and on black, also with colour blindness. */
const COLORS: readonly (readonly [light: string, dark: string])[] = [
  ['#0072b2', '#5ab4f0'],
  ['#d55e00', '#ff9147'],
  ['#009e73', '#3fd6a8'],
  ['#b0408f', '#ec8fce'],
  ['#8a6d00', '#e6c743'],
  ['#5b3fd6', '#a793ff'],
  ['#666666', '#b5b5b5'],
  ['#a11d1d', '#ff7b7b'],
  ['#3c7d1f', '#8fdc6a'],
  ['#00798c', '#59d2e4'],
  ['#7a4a2b', '#d3a583'],
  ['#222222', '#f2f2f2'],
];

const vars = (which: 0 | 1) => COLORS.map((pair, i) => `--c${i}:${pair[which]}`).join(';');

export const STYLE = `
:root{color-scheme:light dark;--ink:#1c1f23;--soft:#5f6770;--rule:#d9dde2;--page:#fff;${vars(0)}}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a3abb5;--rule:#3a4048;--page:#15181c;${vars(1)}}}
body{margin:2rem auto;max-width:1180px;padding:0 1rem;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.1rem;margin:1.8rem 0 .4rem}p{margin:.2rem 0 1rem;color:var(--soft)}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;list-style:none;padding:.6rem 0;margin:0;position:sticky;top:0;background:var(--page);border-bottom:1px solid var(--rule)}
.legend li{display:flex;align-items:center;gap:.4rem}.swatch{width:26px;height:12px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(330px,1fr));gap:.6rem}
.charts svg{width:100%;height:auto}
.title{font-size:13px;font-weight:600;fill:var(--ink)}.tick{font-size:11px;fill:var(--soft)}
.grid{stroke:var(--rule);stroke-width:1}.line{fill:none;stroke-width:1.8}.mark{stroke:none}
${COLORS.map((_, i) => `.line.c${i}{stroke:var(--c${i})}.mark.c${i}{fill:var(--c${i})}`).join('')}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:.15rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
th{color:var(--soft);font-weight:600}`;
