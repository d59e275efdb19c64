"""One archive that holds an installation: database, key, students' sandboxes. Made, checked, put back."""
