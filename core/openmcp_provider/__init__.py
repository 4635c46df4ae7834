"""What every openMCP service provider needs: the author's interface, the decisions, the ports and the runtime."""
