"""Proofs that a lab does what it says, on a real Kafka: robots work through it like students do.

installation   a private host daemon for the time of a proof
rehearsal      one robot at one lab: stimuli and judges as on the site, without its database
gates          what must hold of every lab and every program in the prose
mutation       small damages to a solution, which the judges must notice
ledger         which labs were proven, by the hash of their content
"""
