"""Asking the web for one URL: which addresses may be connected to, what sites allow, how fast, and what comes back.

addresses    which addresses may be connected to
permission   robots.txt and opt-out headers
pace         one gate per host: rate, connections, Retry-After
body         an answer's bytes, decompressed and bounded
fetch        one URL to its bytes, with retries and redirects
"""
