"""Where photographs come from beside pages: tables of URLs, sitemaps, folders, tars and Parquet.

files      the files that a source names, and the addresses of what is in them
text       captions and tables in any encoding
table      rows of URLs
sitemap    pages and pictures that a site lists
folder, tar, parquet      pictures on this machine, one after the other
local      those pictures through the crawl's checks into its ledger
"""
