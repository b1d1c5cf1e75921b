"""The grammar and the samplers that turn a model into sequences of ids."""
