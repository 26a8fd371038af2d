"""The coordinator: enrolment, catalog, studies, runs, models and the wall towards the sites."""
