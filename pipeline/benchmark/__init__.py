"""The benchmark: what is asked for, who is cast, what bounds every method, and the fairness contract."""
