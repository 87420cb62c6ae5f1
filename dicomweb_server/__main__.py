from __future__ import annotations

import sys

from dicomweb_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
