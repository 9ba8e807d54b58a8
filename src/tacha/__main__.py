"""python -m tacha"""

import sys

from tacha.cli import main

sys.exit(main())
