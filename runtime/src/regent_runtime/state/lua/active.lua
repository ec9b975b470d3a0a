return active_here()
