"""Explaining one decision: how it came about, and what would have changed it.

    opened         evidence is verified and rebuilt as far as one file allows
    inferences     every token: alternatives, probabilities, margins, places
    request        every recorded word: what it reaches
    consequences   every call: what each of its parts follows from
    imagined       other facts, another decision: never sworn
    result         what all of this says, as plain values and as JSON
    terminal, page for people

It explains; `affiant.audit.auditor` judges. Nothing is explained that does not hash to
what was sworn.
"""
