"""The style sheet of the HTML report: one string, no outside resource.

Light and dark by the reader's setting, one column on a phone, ink-saving on paper.
Colours are chosen so that words keep a contrast of at least 4.5 to 1.
"""

STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#1c1f26;--soft:#5a606d;
--rule:#dfdcd3;--accent:#1f4e8c;--good:#1c6b3f;--good-bg:#e4f2e8;--bad:#a3211d;
--bad-bg:#fbe6e3;--warn:#8a5300;--warn-bg:#fcf0d8;--s0:#1f5fa8;--s1:#d08a1d;
--s2:#3d8f73;--s3:#9a4f96;--s4:#b8513f;--s5:#6c7382}
@media (prefers-color-scheme:dark){:root{--paper:#14161a;--card:#1c1f25;--ink:#e9e7e1;
--soft:#a4aab6;--rule:#343842;--accent:#8db8f2;--good:#7fd3a0;--good-bg:#183324;
--bad:#ff9d93;--bad-bg:#421d1b;--warn:#f0bf6a;--warn-bg:#3a2c12;--s0:#6aa3e6;
--s1:#e3ab4f;--s2:#68bd9f;--s3:#c58bc1;--s4:#e08a79;--s5:#9aa1b0}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
main,header.top,footer{max-width:1040px;margin:0 auto;padding:0 24px}
header.top{padding-top:44px}
footer{padding-top:24px;padding-bottom:48px;color:var(--soft);font-size:14px}
h1{font:600 34px/1.15 Georgia,"Times New Roman",serif;margin:6px 0 14px;
letter-spacing:-.01em}
h2{font:600 24px/1.25 Georgia,"Times New Roman",serif;margin:52px 0 6px;
padding-top:18px;border-top:1px solid var(--rule)}
h3{font-size:17px;margin:0}
h4{font-size:12px;letter-spacing:.07em;text-transform:uppercase;color:var(--soft);
margin:18px 0 4px;font-weight:600}
p{margin:8px 0;max-width:72ch}
small{color:var(--soft);font-weight:400}
.eyebrow{font-size:13px;letter-spacing:.09em;text-transform:uppercase;
color:var(--soft);margin:0}
.quiet{color:var(--soft)}
code,.hash{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;
font-size:.86em;overflow-wrap:anywhere}
.verdict{border-left:6px solid;padding:14px 18px;border-radius:4px;margin:18px 0;
font-size:19px;font-weight:600}
.verdict p{font-size:16px;font-weight:400;margin:4px 0 0}
.accepted{border-color:var(--good);background:var(--good-bg)}
.rejected{border-color:var(--bad);background:var(--bad-bg)}
.incomplete{border-color:var(--warn);background:var(--warn-bg)}
.findings{border-left:6px solid var(--warn);background:var(--warn-bg);
padding:10px 18px;border-radius:4px}
.findings ul{margin:4px 0;padding-left:20px}
.tiles{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:14px;
margin:20px 0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:8px;
padding:12px 16px}
.tile b{display:block;font:600 23px/1.3 Georgia,serif}
.tile span{color:var(--soft);font-size:14px}
.pill{display:inline-block;padding:1px 10px;border-radius:99px;font-size:13px;
font-weight:600;white-space:nowrap}
.pill.yes,.pill.pass,.pill.accepted{color:var(--good);background:var(--good-bg)}
.pill.no,.pill.fail,.pill.rejected{color:var(--bad);background:var(--bad-bg)}
.pill.skipped,.pill.incomplete{color:var(--warn);background:var(--warn-bg)}
.pill.not-claimed{color:var(--soft);background:var(--rule)}
.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;
padding:18px 22px;margin:18px 0;break-inside:avoid-page}
.card>header{display:grid;grid-template-columns:minmax(0,1fr) max-content;gap:2px 16px;
align-items:start;border-bottom:1px solid var(--rule);padding-bottom:10px}
.card>header .when{color:var(--soft);font-size:14px;grid-row:2;grid-column:1/-1}
.fine{font-size:14px}
.columns{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:0 32px}
blockquote{margin:4px 0 8px;padding:2px 0 2px 14px;border-left:3px solid var(--accent);
font-family:Georgia,serif;font-style:italic;overflow-wrap:anywhere}
ul.plain,ol.plain{margin:4px 0;padding-left:20px}
li{overflow-wrap:anywhere}
dl{margin:4px 0;display:grid;grid-template-columns:max-content minmax(0,1fr);
gap:2px 16px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
dl.facts dd{font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%;margin:12px 0;font-size:15px}
caption{text-align:left;color:var(--soft);font-size:14px;padding-bottom:4px}
th,td{text-align:left;vertical-align:top;padding:6px 12px 6px 0;
border-bottom:1px solid var(--rule);overflow-wrap:anywhere}
thead th{overflow-wrap:normal;
font-size:12px;letter-spacing:.05em;text-transform:uppercase;
color:var(--soft);font-weight:600}
tbody th{font-weight:600;overflow-wrap:break-word}
ul.plain+dl{margin-top:18px}
.number{font-variant-numeric:tabular-nums;white-space:nowrap}
.picture{width:34%}
details{margin:12px 0 0}
summary{cursor:pointer;color:var(--accent);font-size:15px}
summary:focus-visible,a:focus-visible{
outline:2px solid var(--accent);outline-offset:3px}
a{color:var(--accent)}
figure{margin:18px 0}
figcaption{color:var(--soft);font-size:14px;max-width:80ch;margin-top:8px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;padding:0;
margin:10px 0 6px;font-size:14px}
.legend li{display:flex;align-items:center;gap:8px}
.key{display:inline-block;width:22px;height:0;border-top:3px solid var(--s0)}
.key.held{border-top:3px dashed var(--s5)}
.key.block{height:12px;width:12px;border:0;border-radius:2px}
.frame{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:6px 12px;
margin-top:10px}
.frame svg{display:block;width:100%;height:260px;overflow:visible}
.ys{display:flex;flex-direction:column;justify-content:space-between;height:260px;
margin:0;font-size:13px;color:var(--soft);text-align:right;line-height:1;
font-variant-numeric:tabular-nums}
.ys span:first-child{transform:translateY(-40%)}.ys span:last-child{
transform:translateY(40%)}
.xs{grid-column:2;display:flex;justify-content:space-between;gap:24px;font-size:13px;
color:var(--soft)}
.xs span:last-child{text-align:right}
svg path,svg line{vector-effect:non-scaling-stroke}
.grid{stroke:var(--rule);stroke-width:1}
.line{fill:none;stroke-width:2.5;stroke-linejoin:round}
.line.account{stroke:var(--s0)}
.line.held{stroke:var(--s5);stroke-dasharray:6 5;stroke-width:2}
.dot{stroke:var(--s0);stroke-width:8;stroke-linecap:round;fill:none}
.dot.unverified{stroke:var(--bad)}
.area{stroke:var(--card);stroke-width:1.5}
.area.series0{fill:var(--s0)}.area.series1{fill:var(--s1)}.area.series2{fill:var(--s2)}
.area.series3{fill:var(--s3)}.area.series4{fill:var(--s4)}.area.series5{fill:var(--s5)}
.key.series0{background:var(--s0)}.key.series1{background:var(--s1)}
.key.series2{background:var(--s2)}.key.series3{background:var(--s3)}
.key.series4{background:var(--s4)}.key.series5{background:var(--s5)}
.strip{display:flex;flex-wrap:wrap;gap:3px}
.cell{width:22px;height:26px;border-radius:4px;border:1px solid var(--rule);
display:inline-flex;align-items:center;justify-content:center;font-size:13px;
line-height:1}
.cell.executed{background:var(--s0);border-color:var(--s0);color:var(--card)}
.cell.held{background:var(--card);color:var(--soft)}
.cell.unused{background:var(--warn-bg);border-color:var(--warn);color:var(--warn)}
.cell.stopped,.cell.waiting{background:var(--rule);color:var(--soft)}
.cell.unexplained{background:var(--bad-bg);border-color:var(--bad);color:var(--bad)}
.bars{display:block;width:100%;height:22px;overflow:visible}
.bars line{stroke:var(--rule);stroke-width:1}
.bars .bound{stroke:var(--ink);stroke-width:2.5}
.bar.gain{fill:var(--s2)}.bar.fall{fill:var(--s4)}
@media (max-width:640px){main,header.top,footer{padding:0 16px}
header.top{padding-top:24px}h1{font-size:27px}.card{padding:14px 16px}
.columns{grid-template-columns:minmax(0,1fr)}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}.tile b{font-size:19px}
.frame{gap:6px 8px}
.ys{font-size:11px}.frame svg,.ys{height:190px}.xs{font-size:11px}
dl:not(.facts){grid-template-columns:minmax(0,1fr)}
dl:not(.facts) dd{margin-bottom:6px}
table.wide thead,table.changes thead{position:absolute;clip-path:inset(50%);width:1px;
height:1px;overflow:hidden}
table.wide tr,table.changes tr{display:block;padding:8px 0;
border-bottom:1px solid var(--rule)}
table.wide th,table.wide td,table.changes th,table.changes td{display:block;border:0;
padding:1px 0;white-space:normal;width:auto}
table.wide td[data-label]::before,table.changes td[data-label]::before{
content:attr(data-label) ": ";color:var(--soft);font-size:13px}}
@media print{:root{--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--rule:#bbb}
body{font-size:11pt}main,header.top,footer{max-width:none;padding:0}
.card{break-inside:avoid-page}details::details-content{content-visibility:visible;
display:block;height:auto}.verdict,.pill,.cell,.bar,.area,.key{
print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
"""Inline style sheet."""
