"""SMS through the Messages API that Twilio documents, and that other gateways offer too."""
