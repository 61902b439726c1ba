"""How it looks: dark and light, by the system's wish or the user's, without a font from anywhere.

Colours come in pairs (``light-dark()``); ``data-theme`` on the root overrides what the system asks
for. It is set before anything is painted, from what this browser remembers. Texts keep a contrast
of 4.5:1 to what is behind them (WCAG 2.2, 1.4.3), and the focus shows everywhere (2.4.7).
"""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --ground: light-dark(#ffffff, #12161d);
  --raised: light-dark(#f4f6f9, #1b212b);
  --line: light-dark(#cfd6e0, #37414f);
  --edge: light-dark(#6d7a8c, #8593a6);
  --ink: light-dark(#171c24, #e8ebf0);
  --muted: light-dark(#4d596a, #aab4c2);
  --accent: light-dark(#1a4fc4, #8fb5ff);
  --on-accent: light-dark(#ffffff, #0c1424);
  --good: light-dark(#0b6b3a, #6fd69b);
  --bad: light-dark(#b3261e, #ff9c94);
  --doubtful: light-dark(#7a4d00, #f0bd66);
  --mark: light-dark(#fff0a8, #5c4a00);
}
:root[data-theme="light"] { color-scheme: light; }
:root[data-theme="dark"] { color-scheme: dark; }
body {
  margin: 0; min-height: 100vh; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  display: grid; grid-template: "head head" auto "nav main" 1fr / 13rem minmax(0, 1fr);
}
.skip { position: absolute; left: -99rem; z-index: 10; }
.skip:focus { left: 1rem; top: .5rem; background: var(--ground); padding: .5rem 1rem; }
body > header {
  grid-area: head; display: flex; gap: 1rem; align-items: center; flex-wrap: wrap;
  padding: .5rem 1rem; border-bottom: 1px solid var(--line); background: var(--raised);
}
body > header .name { font-weight: 700; margin-right: auto; color: var(--ink); }
body > header form { display: flex; gap: .5rem; align-items: center; margin: 0; }
body > nav { grid-area: nav; border-right: 1px solid var(--line); background: var(--raised); }
body > nav ul { list-style: none; margin: 0; padding: .75rem 0; position: sticky; top: 0; }
body > nav a {
  display: block; padding: .45rem 1rem; color: var(--ink); text-decoration: none;
  border-left: 4px solid transparent;
}
body > nav a:hover { text-decoration: underline; }
body > nav a[aria-current] { border-color: var(--accent); font-weight: 600; }
#app, body > main { grid-area: main; min-width: 0; }
body > main, .nicegui-content { display: block; padding: 1rem 1.5rem 3rem; max-width: 78rem; }
#esm-fallback { position: fixed; inset: 0; pointer-events: none; }
.q-layout { min-height: 0 !important; background: none; color: inherit; }
.q-page { min-height: 0 !important; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; font-weight: 650; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 2rem 0 .75rem; font-weight: 650; }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; font-weight: 650; }
p { margin: 0 0 .75rem; max-width: 46rem; }
a { color: var(--accent); text-decoration: underline; overflow-wrap: break-word; }
td a, th a, td code, th code { overflow-wrap: anywhere; }
code, pre, .source { font: .9em/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
code { overflow-wrap: anywhere; }
.muted, caption, dt, thead th { color: var(--muted); }
.scrolls { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .45rem .9rem .45rem 0;
  border-bottom: 1px solid var(--line); font-weight: 400; overflow-wrap: break-word; }
thead th { vertical-align: bottom; }
p code { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: .75rem;
  margin: 0 0 1rem; }
dl > div { border-left: 3px solid var(--line); padding-left: .6rem; }
dd { margin: 0; overflow-wrap: anywhere; }
dd.big, .big dd { font-size: 1.35rem; font-weight: 600; }
.badge { border: 1px solid currentColor; border-radius: 1rem; padding: 0 .55rem; font-size: .85em;
  white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .doubtful { color: var(--doubtful); }
.sentence { border-left: 4px solid currentColor; padding: .5rem .75rem; background: var(--raised); }
.empty { border: 1px dashed var(--edge); padding: 1rem 1.25rem; margin: 0 0 1rem; }
.empty :last-child { margin-bottom: 0; }
pre { background: var(--raised); padding: .5rem .75rem; overflow-x: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: 0 0 .75rem; border: 1px solid var(--line); }
mark { background: var(--mark); color: var(--ink); padding: .1em 0; }
.row { display: flex; gap: .75rem; flex-wrap: wrap; align-items: end; margin: 0 0 1rem; }
.row > div { display: flex; flex-direction: column; min-width: 0; max-width: 100%; }
label { color: var(--muted); font-size: .9rem; }
input, select, button, .button {
  font: inherit; color: var(--ink); background: var(--ground); border: 1px solid var(--edge);
  border-radius: 4px; padding: .35rem .7rem; text-decoration: none; min-height: 2.25rem;
}
input, select { min-width: 0; max-width: 100%; }
input { width: 22rem; }
*, ::before, ::after { box-sizing: border-box; }
button, .button { cursor: pointer; background: var(--raised); display: inline-block; }
button.main { background: var(--accent); color: var(--on-accent); border-color: var(--accent); }
button.danger { color: var(--bad); border-color: var(--bad); }
button[disabled] { cursor: not-allowed; color: var(--muted); border-style: dashed; }
dialog { color: var(--ink); background: var(--ground); border: 1px solid var(--edge);
  max-width: 34rem; padding: 1.25rem 1.5rem; border-radius: 6px; }
dialog::backdrop { background: rgb(0 0 0 / .55); }
dialog form { display: flex; flex-direction: column; gap: .5rem; }
.sign-in { display: flex; flex-direction: column; gap: .4rem; max-width: 24rem; margin: 2rem 0; }
.sign-in button { margin-top: .75rem; align-self: start; }
#verdict { margin-top: 1rem; }
progress { width: 20rem; max-width: 100%; height: 1rem; accent-color: var(--accent); }
figure { margin: 0 0 1rem; overflow-x: auto; }
figcaption { color: var(--muted); }
svg { max-width: none; }
svg text { fill: var(--ink); font: 13px system-ui, "DejaVu Sans", sans-serif; }
svg .muted { fill: var(--muted); }
svg .axis { stroke: var(--edge); } svg .grid { stroke: var(--line); }
svg .stroke { stroke: var(--accent); fill: none; stroke-width: 2; }
svg .dot { fill: var(--accent); stroke: var(--ground); }
svg .box { fill: var(--raised); stroke: var(--edge); }
svg a:focus .box, svg a:hover .box { stroke: var(--accent); stroke-width: 2.5; }
svg .bad-box { stroke: var(--bad); stroke-width: 2.5; }
.chain ul { padding-left: 1.25rem; } .chain li { margin: .3rem 0; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
.nicegui-error-popup { color: var(--ink); background: var(--raised); }
@media (max-width: 48rem) {
  body { grid-template: "head" auto "nav" auto "main" 1fr / minmax(0, 1fr); }
  body > nav { border-right: 0; border-bottom: 1px solid var(--line); }
  body > nav ul { display: flex; flex-wrap: wrap; padding: .25rem; }
  body > nav a { padding: .4rem .6rem; border-left: 0; border-bottom: 3px solid transparent; }
  body > main, .nicegui-content { padding: 1rem; }
  p code { white-space: normal; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none; } }
@media print { body > nav, body > header form { display: none; } }
"""

REMEMBER: Final = """
(() => {
  const root = document.documentElement;
  const wish = localStorage.getItem("crossmodel-theme") ?? "system";
  if (wish !== "system") root.dataset.theme = wish;
  addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("theme");
    choice.value = wish;
    choice.addEventListener("change", () => {
      localStorage.setItem("crossmodel-theme", choice.value);
      if (choice.value === "system") delete root.dataset.theme;
      else root.dataset.theme = choice.value;
    });
  });
})();
"""
"""Sets the theme before anything is painted, and remembers another one."""
