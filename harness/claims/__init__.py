"""Claims files, judged on published results."""
