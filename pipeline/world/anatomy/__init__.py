"""The sculptor of the drawn world's head: a parametrised surface whose derivatives are the bases of our 3DMM."""
