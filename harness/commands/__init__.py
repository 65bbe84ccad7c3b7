"""What the commands do, a verb a module: run, price, render, forecast, check, examine."""
