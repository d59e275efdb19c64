"""Proofs that a lab does what it says, on a real Kafka: robots work through it like students do.

installation   a private host daemon for the time of a proof; rooms: fresh sandboxes on it
folders        the solutions and mistakes that a lab's author laid down
rehearsal      one robot at one lab: stimuli and judges as on the site, without its database
gates          what must hold of every lab: of its texts, and of its rehearsals (complaints)
prose          what must hold of every program in the text of a lesson
mutation       small damages to a solution, which the judges must notice
findings       what came of a gate
ledger         which labs were proven, by the hash of their content
"""
