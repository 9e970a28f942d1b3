"""What a map file holds, as plain records, and the SQLite file that holds them; nothing here knows
the live map.

``records`` are the content, ``rows`` and ``packing`` how it becomes bytes and the checks on the
way back, ``schema`` the tables and their migrations, ``database`` the file; ``reading`` and
``writing`` are for whole maps.
"""
