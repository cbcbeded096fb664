"""Galleries past memory: an index on disk, built once from features, and asked by many queries.

    cmir index FEATURES -o FOLDER        FOLDER/index.json and arrays, see `card`
    cmir search FOLDER QUERIES -o LISTS  ranked lists, which `cmir score-judged` scores

Letters: N items of the gallery, Q queries, D dimensions, C cells, M bytes of a code.
"""

from cmir_repro.core import lazy

__getattr__, __dir__ = lazy.modules(__name__, __path__)
