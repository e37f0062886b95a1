"""Records by request: filters, options, pages, models."""
