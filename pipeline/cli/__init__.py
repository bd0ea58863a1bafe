"""The command `likeness`: one small file per command, none of which imports torch before its words are understood."""
