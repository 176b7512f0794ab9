"""What an agent asks and may answer: program, request, prompt and plan."""
