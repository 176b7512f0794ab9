"""What a backtest's page adds to the style sheet of the audit's report."""

PLOT_STYLE = """
.plot svg{display:block;width:100%;height:auto;overflow:visible}
.plot svg text{font-family:inherit!important}
.plot.narrow{display:none}
.pill.executed{color:var(--good);background:var(--good-bg)}
.pill.held{color:var(--soft);background:var(--rule)}
.pill.refused{color:var(--bad);background:var(--bad-bg)}
.pill.unavailable{color:var(--warn);background:var(--warn-bg)}
.slots table{font-size:14px}
.slots td.words{min-width:16ch}
table.lines td,table.lines th{white-space:nowrap}
@media (max-width:640px){.plot.wide{display:none}.plot.narrow{display:block}
table.lines td,table.lines th{white-space:normal}}
"""
"""Added to the report's own style sheet."""
