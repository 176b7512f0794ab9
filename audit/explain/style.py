"""What an explanation's page adds to the report's style sheet."""

EXPLAIN_STYLE = """
.tokens+h3,.card+h3,p+h3,table+h3{margin-top:22px}
.verdict.plain{border-color:var(--accent);background:var(--card)}
.verdict p,footer p{overflow-wrap:anywhere}
.verdict p.fine{font-size:14px;color:var(--soft)}
.tokens{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;
font-size:15px;line-height:2;max-width:none;overflow-wrap:anywhere;
background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 14px}
.tok{border-radius:3px;padding:2px 1px;border-bottom:2px solid transparent;
border-right:1px solid var(--rule);white-space:pre-wrap}
.tok.forced{color:var(--soft)}
.tok.h1{border-bottom-color:var(--s1)}
.tok.h2{background:var(--warn-bg);border-bottom-color:var(--warn)}
.tok.h3{background:var(--bad-bg);border-bottom-color:var(--bad)}
.tok.forbidden{background:var(--bad);color:var(--card)}
.unsworn{border:2px dashed var(--warn);border-radius:8px;padding:4px 20px 16px;
margin-top:52px}
.unsworn h2{margin-top:12px;border-top:0;padding-top:0}
.stamp{color:var(--warn);font-weight:700}
.sides h4{color:var(--ink);font-size:13px}
.point{stroke-width:9;stroke-linecap:round;fill:none}
.point.series0,.stem.series0{stroke:var(--s0)}
.point.series1,.stem.series1{stroke:var(--s1)}
.point.series2,.stem.series2{stroke:var(--s2)}
.point.series3,.stem.series3{stroke:var(--s3)}
.point.series4,.stem.series4{stroke:var(--s4)}
.point.series5,.stem.series5{stroke:var(--s5)}
.stem{stroke-width:2}
.flip{stroke:var(--warn);stroke-width:1.5;stroke-dasharray:4 5}
@media print{.tok{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
"""Inline style sheet, after the report's."""
