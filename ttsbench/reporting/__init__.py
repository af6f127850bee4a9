"""From numbers to what people read: tables, claims, figures, the page."""
