"""Families of networks: what each must offer (``network``, ``family``), where they are found
(``registry``), and loss terms that any of them may use (``losses``)."""
