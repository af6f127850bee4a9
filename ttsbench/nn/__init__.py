"""The networks all objectives share: phone encoder, conditioner, and one backbone family."""
