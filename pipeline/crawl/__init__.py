"""From seed pages to distinct photos: fetch politely and safely, note what became of every URL, drop duplicates.

urls         canonical URLs and the ones that are never asked
web          one URL to its bytes: addresses, permission, pace, retries, redirects
pages        what a page links to and says about its pictures
ledger       the append-only memory of what was fetched, so that nothing is fetched twice
walk         pages level by level, then pictures
pictures     the size and hash of what was received, or why it is no picture
duplicates   equal and nearly equal pictures
takedown     what must never be kept again
metadata     takes camera, place and owner out of a file
tasks        the shards of data/crawl
server       serves a drawn site or any folder over loopback
"""
