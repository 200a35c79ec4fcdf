"""What an editor shows about a text: its faults, shapes, completions and reference."""
