"""``python -m tests.published_digests``: renew ``results/digests.csv`` after studies were published."""

from harness.results.published_digests import write_digests
from tests.readme_results import RESULTS

if __name__ == "__main__":
    print(f"wrote {write_digests(RESULTS)}")
