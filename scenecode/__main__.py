"""``python -m scenecode``: the command line."""

from scenecode.cli.main import main

raise SystemExit(main())
